import { CleoError, type ConduitMessage, type Transport } from '@cleocode/contracts';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { Conversation } from './conversation.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

it('waits out a backend that is away, says so once, and acknowledges what was shown when it can', async () => {
  const backend = new Backend();
  backend.say('prime', 'one');
  const { shown, follow } = conversationAt(backend);
  backend.failsAt = 'ack';
  await follow(100);
  expect(shown).toEqual(['one', 'trouble: away']);
  backend.say('prime', 'two');
  backend.failsAt = 'read';
  await follow(20_000);
  backend.failsAt = undefined;
  await follow(20_000);
  expect(shown).toEqual(['one', 'trouble: away', 'two', 'over']);
  expect(backend.acked).toEqual(['1', '2']);
});

it('looks through what is unread where the backend shows no conversations', async () => {
  const backend = new Backend();
  backend.readable = false;
  backend.say('prime', 'before');
  const { conversation, shown, follow } = conversationAt(backend);
  expect((await conversation.recent(5)).map(({ message, unread }) => [message.content, unread])).toEqual([
    ['before', true],
  ]);
  backend.say('prime', 'elsewhere', 'another conversation');
  backend.say('prime', 'since');
  await follow(1_500);
  expect(shown).toEqual(['since']);
  expect(backend.acked).toEqual(['1', '3']);
});

it('sends in the order of asking, and goes on after what could not be sent', async () => {
  const backend = new Backend();
  const { conversation } = conversationAt(backend);
  backend.failsAt = 'send';
  const first = conversation.send('first');
  await expect(first).rejects.toThrow('away');
  backend.failsAt = undefined;
  await Promise.all([conversation.send('second'), conversation.send('third')]);
  await conversation.close();
  expect(backend.sent).toEqual(['second', 'third']);
});

/** A backend that numbers its messages, and fails when told to. */
class Backend {
  failsAt: 'read' | 'ack' | 'send' | undefined;
  readable = true;
  readonly acked: string[] = [];
  readonly sent: string[] = [];
  readonly #messages: ConduitMessage[] = [];

  say(from: string, content: string, threadId = 'ours'): void {
    const seq = this.#messages.length + 1;
    this.#messages.push({ id: String(seq), from, content, threadId, seq, timestamp: '' });
  }

  readonly transport = {
    push: async (_: string, content: string) => {
      this.#mayFail('send');
      this.sent.push(content);
      return { messageId: content, conversationId: 'ours' };
    },
    poll: async ({ afterSeq = 0 } = {}) => {
      this.#mayFail('read');
      return this.#messages.filter(({ id, seq }) => seq! > afterSeq && !this.acked.includes(id));
    },
    ack: async (ids: string[]) => {
      this.#mayFail('ack');
      this.acked.push(...ids);
    },
    fetchConversation: async ([id]: readonly string[], { afterSeq = 0 } = {}) => {
      this.#mayFail('read');
      if (!this.readable) throw new CleoError('E_GROUPS_UNSUPPORTED', 'cannot');
      const messages = this.#messages.filter(({ threadId, seq }) => threadId === id && seq! > afterSeq);
      return { messages, cursor: messages.at(-1)?.seq ?? afterSeq, more: false };
    },
  } as unknown as Transport;

  #mayFail(at: Backend['failsAt']): void {
    if (this.failsAt === at) throw new CleoError('E_TRANSPORT_UNREACHABLE', 'away', { retryable: true });
  }
}

function conversationAt({ transport }: Backend) {
  const shown: string[] = [];
  const conversation = new Conversation({
    transport,
    partner: 'prime',
    conversationId: 'ours',
    onReply: ({ content }) => void shown.push(content),
    onTrouble: (error) => void shown.push(error ? `trouble: ${error.message}` : 'over'),
  });
  const end = new AbortController();
  onTestFinished(() => end.abort());
  let following = false;
  const follow = async (ms: number) => {
    if (!following) void conversation.follow(end.signal);
    following = true;
    await vi.advanceTimersByTimeAsync(ms);
  };
  return { conversation, shown, follow };
}
