import type {
  ConduitMessage,
  ConversationPage,
  FetchConversationOptions,
  PollOptions,
} from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';

/** The mock transport, connected, with a record of how it was polled. */
export class RecordingTransport extends MockTransport {
  override connected = true;
  readonly polled: PollOptions[] = [];
  /** Polls that have not settled yet, and the most there ever were. */
  concurrent = 0;
  mostConcurrent = 0;
  /** Runs before each poll answers. */
  beforePoll: (options: PollOptions) => Promise<void> | void = () => {};

  override async poll(options: PollOptions = {}): Promise<ConduitMessage[]> {
    this.polled.push(options);
    this.concurrent += 1;
    this.mostConcurrent = Math.max(this.mostConcurrent, this.concurrent);
    try {
      await this.beforePoll(options);
      return await super.poll(options);
    } finally {
      this.concurrent -= 1;
    }
  }
}

/** With native push: {@link deliver} also pushes, unless told to be quiet. */
export class PushingTransport extends RecordingTransport {
  readonly subscribers = new Set<(message: ConduitMessage) => void>();
  quiet = false;

  subscribe(handler: (message: ConduitMessage) => void): () => void {
    this.subscribers.add(handler);
    return () => this.subscribers.delete(handler);
  }

  override deliver(message: Partial<ConduitMessage> = {}): ConduitMessage {
    const stored = super.deliver(message);
    if (!this.quiet) for (const push of this.subscribers) push(stored);
    return stored;
  }
}

/** With conversations that can be read: {@link say} adds to one. */
export class GroupTransport extends RecordingTransport {
  readonly fetched: { ids: readonly string[]; options: FetchConversationOptions }[] = [];
  readonly said: ConduitMessage[] = [];
  beforeFetch: (ids: readonly string[]) => Promise<void> | void = () => {};
  #seq = 0;

  say(threadId: string, content: string, message: Partial<ConduitMessage> = {}): ConduitMessage {
    this.#seq += 1;
    const id = `${threadId}-${this.#seq}`;
    const whole: ConduitMessage = {
      id,
      from: 'someone',
      content,
      timestamp: '2026-01-01T00:00:00Z',
      threadId,
      groupId: id,
      seq: this.#seq,
      ...message,
    };
    this.said.push(whole);
    return whole;
  }

  async fetchConversation(
    ids: readonly string[],
    options: FetchConversationOptions = {},
  ): Promise<ConversationPage> {
    this.fetched.push({ ids, options });
    await this.beforeFetch(ids);
    const { afterSeq, limit = 50 } = options;
    const all = this.said.filter(({ threadId }) => ids.includes(threadId!));
    if (afterSeq === undefined) {
      const newest = all.slice(-limit);
      return { messages: newest, cursor: newest.at(-1)?.seq ?? 0, more: false };
    }
    const after = all.filter(({ seq }) => seq! > afterSeq);
    const messages = after.slice(0, limit);
    return { messages, cursor: messages.at(-1)?.seq ?? afterSeq, more: after.length > messages.length };
  }
}
