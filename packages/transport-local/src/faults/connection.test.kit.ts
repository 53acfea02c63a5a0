import { CleoError } from '@cleocode/contracts';
import { type Fault, fault, message, unsent } from './fault.test.kit.ts';

export const connectionFaults: Fault[] = [
  // Lifecycle
  fault('takes an error for no messages', 'nothing works before connect and after disconnect', (t) => ({
    poll: (options) => t.poll(options).catch(() => []),
  })),
  fault('takes subscribers at any time', 'nobody subscribes before connect and after disconnect', (t) => ({
    subscribe(handler) {
      try {
        return t.subscribe(handler);
      } catch {
        return () => {}; // This is the fault.
      }
    },
  })),
  fault(
    'forgets its backend once it is disconnected twice',
    'connect and disconnect may come twice, and a transport connects again',
    (t) => {
      let disconnects = 0;
      return {
        disconnect: () => t.disconnect().finally(() => (disconnects += 1)),
        poll: async (options) =>
          disconnects < 3 ? t.poll(options) : [...(await t.poll(options)), message('stale')],
      };
    },
  ),
  fault(
    'connects although it was told to disconnect meanwhile',
    'connect and disconnect called at once count in their order',
    (t) => ({
      connect: async (config) => {
        await new Promise(setImmediate);
        await t.connect(config);
      },
    }),
  ),
  fault(
    'leaves its callers waiting when it disconnects',
    'what is under way at a disconnect ends, well or with an error',
    () => ({
      poll: () => new Promise<never>(() => {}),
    }),
  ),
  fault(
    'takes what it has seen for read when it disconnects',
    'unread messages survive a reconnect',
    (t) => ({
      disconnect: async () => {
        await t.ack((await t.poll().catch(() => [])).map(({ id }) => id)).catch(() => {});
        await t.disconnect();
      },
    }),
  ),
  fault(
    'shares its connection and closes it for all',
    "one transport's disconnect is not another's",
    (_, { others }) => ({
      disconnect: async () => {
        for (const other of others) await other.disconnect();
      },
    }),
    'E_TRANSPORT_NOT_CONNECTED',
  ),

  // Aborting
  fault('ignores a signal', 'an aborted signal rejects with its reason, and nothing is sent', (t) => ({
    push: (to, content, { signal: _, ...options } = {}) => t.push(to, content, options),
  })),
  fault(
    'rejects with an error of its own',
    'an aborted signal rejects with its reason, and nothing is sent',
    (t) => ({
      poll: (options) =>
        t.poll(options).catch((cause) => {
          throw new CleoError('E_TRANSPORT_FAILED', 'aborted', { cause });
        }),
    }),
  ),
  fault(
    'looks at a signal only before it begins',
    'a push aborted on its way rejects with the reason, and the transport works on',
    (t) => ({
      push: async (to, content, { signal, ...options } = {}) => {
        signal?.throwIfAborted();
        return t.push(to, content, options);
      },
    }),
  ),
  fault('keeps old signals', 'a signal that aborts after the answer harms nothing', (t) => {
    let aborted = false;
    return {
      poll: async (options) => {
        options?.signal?.addEventListener('abort', () => {
          aborted = true;
        });
        return aborted ? [] : t.poll(options);
      },
    };
  }),
  fault(
    'waits for an answer, whatever its caller wants',
    'whatever waits for a silent backend rejects with the reason of its signal, and the transport works on',
    (t) => ({ ack: (ids, { signal: _, ...options } = {}) => t.ack(ids, options) }),
  ),

  // Restarts
  fault('forgets what was unread', 'what was unread is polled after the backend restarts', (t, { line }) => ({
    poll: async (options) => (line.restarts > 0 ? [] : t.poll(options)),
  })),
  fault('never comes back', 'what was unread is polled after the backend restarts', (t, { line }) => ({
    poll: async (options) => {
      if (line.restarts === 0) return t.poll(options);
      throw new CleoError('E_TRANSPORT_TIMEOUT', 'the connection is lost', { retryable: true });
    },
  })),
  fault('sends to where the backend was', 'a push works after the backend restarts', (t, { line }) => ({
    push: async (...given) => (line.restarts > 0 ? unsent() : t.push(...given)),
  })),
  fault(
    'keys its sends anew after a restart',
    'an idempotency key outlives a restart of the backend',
    (t, { line }) => ({
      push: (to, content, options) =>
        t.push(to, content, { ...options, idempotencyKey: `${options?.idempotencyKey} ${line.restarts}` }),
    }),
  ),
  fault(
    'takes a lost connection for no messages',
    'a poll during a restart answers what is unread, or that it may be tried again',
    (t) => ({ poll: (options) => t.poll(options).catch(() => []) }),
  ),
  fault(
    'gives up for good when the connection is lost',
    'a poll during a restart answers what is unread, or that it may be tried again',
    (t) => ({
      poll: (options) =>
        t.poll(options).catch((cause) => {
          throw new CleoError('E_TRANSPORT_FAILED', 'the connection is lost', { cause });
        }),
    }),
  ),
  fault('does not subscribe again', 'a subscriber hears again after the backend restarts', (t, { line }) => ({
    subscribe: (handler) => t.subscribe((each) => (line.restarts > 0 ? undefined : handler(each))),
  })),
];
