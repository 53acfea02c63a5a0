import { ackForAll, elsewhere, type Fault, fault, polled } from './fault.test.kit.ts';

export const receivingFaults: Fault[] = [
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
];
