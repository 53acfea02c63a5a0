import { CleoError, MAX_CONTENT_BYTES } from '@cleocode/contracts';
import { elsewhere, type Fault, fault, polled, pushed, refused, unsent } from './fault.test.kit.ts';

export const sendingFaults: Fault[] = [
  // Sending
  fault('makes up the id it answers', 'a pushed message is polled by its recipient under its id', (t) => ({
    push: async (...given) => ({ ...(await t.push(...given)), messageId: 'm' }),
  })),
  fault('loses what is too much at once', 'a thousand messages sent at once are each stored once', (t) => {
    let under = 0;
    return {
      push: async (...given) => {
        if (under >= 500) return unsent();
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
];
