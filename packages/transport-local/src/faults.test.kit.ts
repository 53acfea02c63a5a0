import { CleoError, type ConduitMessage, MAX_CONTENT_BYTES } from '@cleocode/contracts';
import type { Line } from './line.test.kit.ts';
import type { LocalTransport } from './local-transport.ts';

type Methods = Omit<LocalTransport, 'name'>;

interface Surroundings {
  line: Line;
  /** As they are before any fault: every transport made so far, this one included. */
  others: readonly Methods[];
}

export interface Fault {
  /** Completes "a transport that …". */
  what: string;
  /** The name of the row that catches it. */
  caughtBy: string;
  /** What it does instead; `t` is the transport without the fault. Called once for each transport. */
  methods(t: Methods, surroundings: Surroundings): Partial<Methods>;
  /** The code that the row rejects with. */
  code: string;
}

/** At least one for every row of the conformance table. */
export const faults: Fault[] = [
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
    (t) => ({
      poll: () => new Promise<never>(() => {}),
      disconnect: () => t.disconnect(),
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

  // Sending
  fault('makes up the id it answers', 'a pushed message is polled by its recipient under its id', (t) => ({
    push: async (...given) => ({ ...(await t.push(...given)), messageId: 'm' }),
  })),
  fault('loses what is too much at once', 'a thousand messages sent at once are each stored once', (t) => {
    let under = 0;
    return {
      push: async (...given) => {
        if (under >= 500) return made();
        under += 1;
        return t.push(...given).finally(() => (under -= 1));
      },
    };
  }),
  fault(
    'polls in the order of the alphabet',
    'messages sent one after another keep their order, whoever else is sending',
    polled((messages) => messages.toSorted((a, b) => (a.content < b.content ? -1 : 1))),
  ),
  fault('takes the same text for the same message', 'the same text sent twice is two messages', (t) => ({
    push: (to, content, options) => t.push(to, content, { idempotencyKey: content, ...options }),
  })),
  fault('sends again when asked again', 'a push repeated with its idempotency key is stored once', (t) => ({
    push: (to, content, { idempotencyKey: _, ...options } = {}) => t.push(to, content, options),
  })),
  fault(
    'does not say who is unknown',
    'a push to an unknown agent is refused by its name',
    refused((code) => new CleoError(code, 'not found')),
  ),
  fault(
    'says that an unknown agent may be tried again',
    'a push to an unknown agent is refused by its name',
    refused((code, { message: text }) => new CleoError(code, text, { retryable: true })),
  ),
  fault(
    'throws bare errors',
    'a push to an unknown agent is refused by its name',
    refused((_, { message: text }) => new Error(text)),
  ),
  fault(
    'sends elsewhere when there is no such conversation',
    'a push into an unknown conversation is refused',
    elsewhere('E_NOT_FOUND_CONVERSATION'),
  ),
  fault('sets answers apart', 'an answer into the conversation stays in it', (t) => ({
    push: (to, content, options) =>
      t.push(to, content, { ...options, ...(options?.conversationId && { metadata: { apart: true } }) }),
    poll: async (options) =>
      (await t.poll(options)).map((each) => (each.metadata?.apart ? { ...each, threadId: 'apart' } : each)),
  })),
  fault('forgets what is answered', 'an answer names the message it answers', (t) => ({
    push: (to, content, { replyTo: _, ...options } = {}) => t.push(to, content, options),
  })),
  fault(
    'takes every message for a conversation',
    'a later message to the same agent is in the same conversation',
    polled((messages) => messages.map((each) => ({ ...each, threadId: each.id }))),
  ),
  fault(
    'takes its inbox for one conversation',
    'messages of different agents are in different conversations',
    polled((messages) => messages.map((each) => ({ ...each, threadId: 'inbox' }))),
  ),

  // Content
  fault(
    'trims',
    'text arrives as it was sent',
    pushed((content) => content.trim()),
  ),
  fault(
    'decodes as a text file',
    'characters that cannot be seen are kept',
    pushed((content) => new TextDecoder().decode(Buffer.from(content))),
  ),
  fault(
    'ends a text at its first NUL',
    'control characters are kept',
    pushed((content) => content.split('\0')[0]!),
  ),
  fault(
    'normalises',
    'text is not normalised',
    pushed((content) => content.normalize()),
  ),
  fault(
    'writes bytes that are no UTF-8',
    'half a surrogate pair arrives as U+FFFD',
    pushed((content) => Buffer.from(content, 'latin1').toString('latin1')),
  ),
  fault(
    'bounds its JSON by 1 MiB',
    'a message may be 1 MiB long, whatever it is made of',
    pushed((content) => (JSON.stringify(content).length > MAX_CONTENT_BYTES * 2 ? 'too long' : content)),
  ),
  fault('cuts what is too long', 'a longer message is refused and not stored', (t) => ({
    push: (to, content, options) =>
      t.push(to, Buffer.from(content).subarray(0, MAX_CONTENT_BYTES).toString().slice(0, -1), options),
  })),
  fault('polls 8 MiB and no more', 'large messages are received page after page, each once', (t) => {
    let polledBytes = 0;
    return {
      poll: async (options) => {
        const page = polledBytes < 8 * MAX_CONTENT_BYTES ? await t.poll(options) : [];
        for (const { content } of page) polledBytes += content.length;
        return page;
      },
    };
  }),
  fault('takes metadata for text', 'metadata arrives with its message', (t) => ({
    push: (to, content, { metadata = {}, ...options } = {}) => {
      const texts = Object.entries(metadata).map(([key, value]) => [key, `${value}`]);
      return t.push(to, content, { ...options, metadata: Object.fromEntries(texts) });
    },
  })),

  // Receiving
  fault(
    'does not name the conversation',
    'a polled message has the shape and the time of a message',
    polled((messages) => messages.map(({ threadId: _, ...each }) => each)),
  ),
  fault(
    'tells another time',
    'a polled message has the shape and the time of a message',
    polled((messages) => messages.map((each) => ({ ...each, timestamp: `${Date.parse(each.timestamp)}` }))),
  ),
  fault(
    'polls the newest first',
    'messages are polled oldest first',
    polled((messages) => messages.reverse()),
  ),
  fault('acks what it polls', 'a poll changes nothing', (t) => ({
    poll: async (options) => {
      const messages = await t.poll(options);
      await t.ack(messages.map(({ id }) => id));
      return messages;
    },
  })),
  fault(
    'polls 100 at most',
    'a poll answers at most its limit, up to 200, and 50 without one',
    polled((messages) => messages.slice(0, 100)),
  ),
  fault('acks the first of many', 'messages are received by acking page after page, each once', (t) => ({
    ack: ([first]) => t.ack(first === undefined ? [] : [first]),
  })),
  fault('does not ack', 'an acked message does not come again, and acking it twice is once', () => ({
    ack: async () => {},
  })),
  fault('acks 500 at most', 'a thousand ids are acked in one call', (t) => ({
    ack: (ids) => t.ack(ids.slice(0, 500)),
  })),
  fault(
    'acks for anyone',
    'only its recipient can ack a message; other ids are ignored',
    (_, { others }) => ({ ack: ackForAll(others) }),
  ),
  fault('polls for anyone', 'a message is polled by its recipient and by nobody else', (_, { others }) => ({
    poll: async (options) => (await Promise.all(others.map((other) => other.poll(options)))).flat(),
  })),

  // Cursor
  fault(
    'ignores the cursor',
    'afterSeq pages through 1,000 messages written in one instant, each once',
    (t) => ({ poll: ({ afterSeq: _, ...options } = {}) => t.poll(options) }),
  ),
  fault(
    'takes the time for a cursor',
    'afterSeq pages through 1,000 messages written in one instant, each once',
    (t) => ({
      poll: async ({ afterSeq, ...options } = {}) => {
        const [last] = afterSeq === undefined ? [] : await t.poll({ afterSeq: afterSeq - 1, limit: 1 });
        const messages = await t.poll({ ...options, afterSeq: afterSeq ?? 0 });
        return messages.filter(({ timestamp }) => !last || timestamp > last.timestamp);
      },
    }),
  ),
  fault('takes 0 for the end', 'afterSeq 0 is the beginning', (t) => ({
    poll: async (options) => (options?.afterSeq === 0 ? [] : t.poll(options)),
  })),
  fault(
    'begins again at the end',
    'a cursor at or beyond the end answers nothing, until something new comes',
    (t) => ({
      poll: async (options) => {
        const page = await t.poll(options);
        return page.length > 0 ? page : t.poll();
      },
    }),
  ),
  fault(
    'takes the place among the unread for a cursor',
    'a cursor stands, whatever is acked before and at it',
    (t) => {
      let seqs: (number | undefined)[] = [];
      return {
        poll: async ({ afterSeq, ...options } = {}) => {
          const messages = await t.poll(options);
          if (afterSeq !== undefined) return messages.slice(seqs.indexOf(afterSeq) + 1);
          seqs = messages.map(({ seq }) => seq);
          return messages;
        },
      };
    },
  ),
  fault('does not know since', 'since an id, only what came after it is polled', (t) => ({
    poll: ({ since: _, ...options } = {}) => t.poll(options),
  })),

  // Groups
  fault(
    'answers outside the conversation',
    'a group message reaches everyone else once, under one groupId',
    (t) => ({
      push: (to, content, { conversationId: _, ...options } = {}) => t.push(to, content, options),
    }),
  ),
  fault('acks for anyone', "one's ack of a group message is not another's", (_, { others }) => ({
    ack: ackForAll(others),
  })),
  fault(
    'polls what came in one instant in the order of its ids',
    'everyone in a group gets its messages in the same order',
    polled((messages) => messages.toSorted((a, b) => (a.id.slice(-12) < b.id.slice(-12) ? -1 : 1))),
  ),
  fault('lets outsiders in', 'an outsider cannot push into a conversation', elsewhere('E_AUTH_FORBIDDEN')),

  // Conversations
  fault('reads page after page without moving on', 'conversations are read in ascending pages', (t) => ({
    fetchConversation: async (ids, options) => ({ ...(await t.fetchConversation(ids, options)), cursor: 0 }),
  })),
  fault(
    'does not know the copies of a message',
    'a message polled and read in its conversation is the same message',
    (t) => ({
      fetchConversation: async (ids, options) => {
        const page = await t.fetchConversation(ids, options);
        return { ...page, messages: page.messages.map(({ groupId: _, ...each }) => each) };
      },
    }),
  ),
  fault('begins with the oldest', 'without a cursor the newest messages are read, still ascending', (t) => ({
    fetchConversation: (ids, options) => t.fetchConversation(ids, { afterSeq: 0, ...options }),
  })),
  fault('reads as much as it can', 'a page of a conversation holds 50 without a limit', (t) => ({
    fetchConversation: (ids, options) => t.fetchConversation(ids, { limit: 200, ...options }),
  })),
  fault('acks what it reads', 'a conversation keeps what was acked, and reading it acks nothing', (t) => ({
    fetchConversation: async (ids, options) => {
      const page = await t.fetchConversation(ids, options);
      await t.ack(page.messages.map(({ id }) => id));
      return page;
    },
  })),
  fault('forgets the cursor of nothing', 'no conversations have no messages', (t) => ({
    fetchConversation: (ids, options) => t.fetchConversation(ids, ids.length > 0 ? options : {}),
  })),
  fault(
    'leaves out what it may not read',
    'an outsider cannot read a conversation, alone or among its own',
    (t) => ({
      fetchConversation: (ids, options) =>
        t.fetchConversation(ids, options).catch(() => t.fetchConversation(ids.slice(0, -1), options)),
    }),
  ),
  fault('takes an error for an empty page', 'an unknown conversation is an error', (t) => ({
    fetchConversation: (ids, options) =>
      t.fetchConversation(ids, options).catch(() => ({ messages: [], cursor: 0, more: false })),
  })),

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

  // Native push
  fault('replays history to a subscriber', 'a subscriber hears each new message once, in order', (t) => ({
    subscribe: (handler) => {
      void t.poll().then((messages) => messages.forEach(handler));
      return t.subscribe(handler);
    },
  })),
  fault('hears a hundred and no more', 'a subscriber hears a burst whole', (t) => ({
    subscribe: (handler) => {
      let count = 0;
      return t.subscribe((each) => (++count <= 100 ? handler(each) : undefined));
    },
  })),
  fault(
    'hears its own pushes',
    'a subscriber hears what is addressed to its agent, not what it sends',
    (t) => {
      const handlers: Parameters<Methods['subscribe']>[0][] = [];
      return {
        subscribe: (handler) => {
          handlers.push(handler);
          return t.subscribe(handler);
        },
        push: async (to, content, options) => {
          const sent = await t.push(to, content, options);
          for (const handler of handlers) handler(message(content));
          return sent;
        },
      };
    },
  ),
  fault(
    'goes deaf when a subscriber throws',
    'a subscriber that throws or ends harms no other, and hearing is not acking',
    (t) => {
      let deaf = false;
      return {
        subscribe: (handler) =>
          t.subscribe((each) => {
            if (deaf) return;
            deaf = true;
            handler(each);
            deaf = false;
          }),
      };
    },
  ),
  fault(
    'acks what it hands out',
    'a subscriber that throws or ends harms no other, and hearing is not acking',
    (t) => ({
      subscribe: (handler) =>
        t.subscribe(async (each) => {
          await handler(each);
          await t.ack([each.id]);
        }),
    }),
  ),
  fault('keeps its subscribers for the next connection', 'a disconnect ends its subscriptions', (t) => {
    const handlers: Parameters<Methods['subscribe']>[0][] = [];
    return {
      subscribe: (handler) => {
        handlers.push(handler);
        return t.subscribe(handler);
      },
      connect: async (config) => {
        await t.connect(config);
        for (const handler of handlers) t.subscribe(handler);
      },
    };
  }),

  // Presence and keys
  fault('finds everyone online', 'presence is what the agent last said', (t) => ({
    isOnline: async (...given) => ({ ...(await t.isOnline(...given)), online: true }),
  })),
  fault('does not fence presence', 'a late offline of an earlier process is ignored', (t) => ({
    setStatus: ({ status }) => t.setStatus({ status }),
  })),
  fault('beats by sending a message to itself', 'a heartbeat is not a message', (t) => {
    const beats: ConduitMessage[] = [];
    return {
      heartbeat: async () => void beats.push(message('beat')),
      poll: async (options) => [...beats, ...(await t.poll(options))],
    };
  }),
  fault('takes whom it does not know for offline', 'the presence of an unknown agent is an error', (t) => ({
    isOnline: (agentId) =>
      t.isOnline(agentId).catch(() => ({ agentId, online: false, status: 'offline' as const })),
  })),
  fault(
    'rotates again when asked again',
    'a rotation answers a new key, and the same one when it is repeated',
    (t) => ({ rotateKey: ({ idempotencyKey: _, ...options } = {}) => t.rotateKey(options) }),
  ),
  fault('rotates to a key of no use', 'a rotation is no interruption, and the new key connects', (t) => {
    let useless = false;
    return {
      rotateKey: async (options) => {
        const rotated = await t.rotateKey(options);
        useless = true;
        return rotated;
      },
      push: async (...given) => (useless ? made() : t.push(...given)),
    };
  }),

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
    push: async (...given) => (line.restarts > 0 ? made() : t.push(...given)),
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

function fault(what: string, caughtBy: string, methods: Fault['methods'], code = 'ERR_ASSERTION'): Fault {
  return { what, caughtBy, methods, code };
}

/** Every page is changed on its way in. */
function polled(change: (messages: ConduitMessage[]) => ConduitMessage[]): Fault['methods'] {
  return (t) => ({ poll: async (options) => change(await t.poll(options)) });
}

/** Every text is changed on its way out. */
function pushed(change: (content: string) => string): Fault['methods'] {
  return (t) => ({ push: (to, content, options) => t.push(to, change(content), options) });
}

/** A refused push rejects with something else. */
function refused(instead: (code: string, error: Error) => Error): Fault['methods'] {
  return (t) => ({
    push: (...given) =>
      t.push(...given).catch((error) => {
        throw instead(error.code, error);
      }),
  });
}

/** A push into a conversation that is refused with `code` goes to the agent itself. */
function elsewhere(code: string): Fault['methods'] {
  return (t) => ({
    push: (to, content, options) =>
      t.push(to, content, options).catch((error) => {
        if (CleoError.is(error, code)) return t.push(to, content);
        throw error;
      }),
  });
}

function ackForAll(others: readonly Methods[]): Methods['ack'] {
  return async (ids) => {
    for (const other of others) await other.ack(ids);
  };
}

/** The answer to a push that never happened. */
function made(): { messageId: string; conversationId: string } {
  return { messageId: `made up ${Math.random()}`, conversationId: 'c' };
}

function message(content: string): ConduitMessage {
  return { id: content, from: 'someone', content, timestamp: '' };
}
