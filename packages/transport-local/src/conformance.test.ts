import { transportConformance } from '@cleocode/contracts/testing';
import { describe, expect, it } from 'vitest';
import { localHarness } from './harness.test.kit.ts';
import type { LocalTransport } from './local-transport.ts';

describe('LocalTransport conforms', () => {
  for (const { name, run } of transportConformance())
    it(name, { timeout: 30_000 }, async ({ skip }) => {
      const harness = await localHarness(skip);
      try {
        await run(harness);
      } finally {
        await harness.close();
      }
    });
});

/** Replaces methods of a transport; the others keep their `this`. */
function fault(methods: (transport: LocalTransport) => Partial<LocalTransport>) {
  return (transport: LocalTransport) => Object.assign(transport, methods(transport));
}

type Fault = [what: string, wrap: (transport: LocalTransport) => LocalTransport, caughtBy: string];

const faults: Fault[] = [
  [
    'polls the newest first',
    fault((t) => {
      const poll = t.poll.bind(t);
      return { poll: async (options) => (await poll(options)).reverse() };
    }),
    'messages are polled oldest first',
  ],
  [
    'acks what it polls',
    fault((t) => {
      const poll = t.poll.bind(t);
      return {
        poll: async (options) => {
          const messages = await poll(options);
          await t.ack(messages.map(({ id }) => id));
          return messages;
        },
      };
    }),
    'a poll changes nothing',
  ],
  [
    'ignores the cursor',
    fault((t) => {
      const poll = t.poll.bind(t);
      return { poll: ({ afterSeq: _, ...options } = {}) => poll(options) };
    }),
    'afterSeq pages through 1,000 messages written in one instant, each once',
  ],
  [
    'takes the time for a cursor',
    fault((t) => {
      const poll = t.poll.bind(t);
      return {
        poll: async ({ afterSeq, ...options } = {}) => {
          const [last] = afterSeq === undefined ? [] : await poll({ afterSeq: afterSeq - 1, limit: 1 });
          const messages = await poll({ ...options, afterSeq: afterSeq ?? 0 });
          return messages.filter(({ timestamp }) => !last || timestamp > last.timestamp);
        },
      };
    }),
    'afterSeq pages through 1,000 messages written in one instant, each once',
  ],
  [
    'does not ack',
    fault(() => ({ ack: async () => {} })),
    'an acked message does not come again, and acking it twice is once',
  ],
  [
    'sends again when asked again',
    fault((t) => {
      const push = t.push.bind(t);
      return { push: (to, content, { idempotencyKey: _, ...options } = {}) => push(to, content, options) };
    }),
    'a push repeated with its idempotency key is stored once',
  ],
  [
    'answers outside the conversation',
    fault((t) => {
      const push = t.push.bind(t);
      return { push: (to, content, { conversationId: _, ...options } = {}) => push(to, content, options) };
    }),
    'a group message reaches everyone else once, under one groupId',
  ],
  [
    'takes an error for no messages',
    fault((t) => {
      const poll = t.poll.bind(t);
      return { poll: (options) => poll(options).catch(() => []) };
    }),
    'nothing works before connect and after disconnect',
  ],
  [
    'hears its own pushes',
    fault((t) => {
      const push = t.push.bind(t);
      const subscribe = t.subscribe.bind(t);
      const handlers: Parameters<typeof subscribe>[0][] = [];
      return {
        subscribe: (handler) => {
          handlers.push(handler);
          return subscribe(handler);
        },
        push: async (to, content, options) => {
          const sent = await push(to, content, options);
          for (const handler of handlers) handler({ id: sent.messageId, from: 'me', content, timestamp: '' });
          return sent;
        },
      };
    }),
    'a subscriber hears what is addressed to its agent, not what it sends',
  ],
  [
    'replays history to a subscriber',
    fault((t) => {
      const subscribe = t.subscribe.bind(t);
      return {
        subscribe: (handler) => {
          void t.poll().then((messages) => messages.forEach(handler));
          return subscribe(handler);
        },
      };
    }),
    'a subscriber hears each new message once, in order',
  ],
  [
    'reads a conversation page after page without moving on',
    fault((t) => {
      const fetch = t.fetchConversation.bind(t);
      return { fetchConversation: async (ids, options) => ({ ...(await fetch(ids, options)), cursor: 0 }) };
    }),
    'conversations are read in ascending pages',
  ],
  [
    'ignores a signal',
    fault((t) => {
      const push = t.push.bind(t);
      return { push: (to, content, { signal: _, ...options } = {}) => push(to, content, options) };
    }),
    'an aborted signal rejects with its reason, and nothing is sent',
  ],
  [
    'beats by sending a message to itself',
    fault((t) => ({
      heartbeat: async () => {
        const poll = t.poll.bind(t);
        t.poll = async (options) => [
          { id: 'beat', from: 'bob', content: '', timestamp: '' },
          ...(await poll(options)),
        ];
      },
    })),
    'a heartbeat is not a message',
  ],
];

describe('the conformance table catches a transport that', () => {
  it.each(faults)('%s', async (_, wrap, caughtBy) => {
    const row = transportConformance().find(({ name }) => name === caughtBy);
    expect(row, `there is a row "${caughtBy}"`).toBeDefined();
    const harness = await localHarness(() => {}, wrap);
    await expect(row!.run(harness)).rejects.toMatchObject({ code: 'ERR_ASSERTION' });
    await harness.close();
  });

  it('lacks a capability: its rows are skipped aloud, the others run', async () => {
    const skipped: string[] = [];
    const bare = fault(() => ({ subscribe: undefined as never, rotateKey: undefined as never }));
    let ran = 0;
    for (const { name, run } of transportConformance()) {
      if (!/subscriber|rotation|polled by its recipient/.test(name)) continue;
      const harness = await localHarness((reason) => skipped.push(reason), bare);
      await run(harness);
      await harness.close();
      ran += 1;
    }
    expect(skipped).toEqual([
      'local has no subscribe',
      'local has no subscribe',
      'local has no subscribe',
      'local has no rotateKey',
    ]);
    expect(ran).toBeGreaterThan(skipped.length);
  });
});
