import { randomUUID } from 'node:crypto';
import {
  backoff,
  CleoError,
  type ConduitMessage,
  messageKey,
  pause,
  type Transport,
} from '@cleocode/contracts';

import type { Heard } from './chat.ts';

export interface ConversationOptions extends Heard {
  /** Connected, with push where it can. */
  transport: Transport;
  /** With whom. */
  partner: string;
  /** Undefined until the first message of either side opens it. */
  conversationId: string | undefined;
}

/** More than any transport gives itself, whose error says more. */
const TIMEOUT_MS = 30_000;
/** A push says when to look. This is for one that got lost, and for a transport that has none. */
const LOOK_MS = { pushed: 15_000, alone: 1_000 };
const PAGE = 200;
/** Who ends a conversation does not wait for a server that is away. What is not acknowledged is shown again next time. */
const CLOSE_MS = 3_000;

/**
 * A conversation of two, from one side: sends into it, and follows what the other side says there. Nothing else that waits for
 * this side is touched.
 */
export class Conversation {
  conversationId: string | undefined;
  readonly #options: ConversationOptions;
  /** Everything up to here has been looked at. */
  #cursor = 0;
  /** Of those that are not acknowledged. */
  readonly #shown = new Set<string>();
  /** Shown, but the backend does not know it yet. */
  #toAck: string[] = [];
  /** A server may not show conversations; what is unread is looked through then. */
  #readable: boolean;
  #wake = new AbortController();
  #sending: Promise<unknown> = Promise.resolve();

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.conversationId = options.conversationId;
    this.#readable = options.transport.fetchConversation !== undefined;
  }

  /** The newest `count` messages, and before them what is still unread. Follow it from here. */
  async recent(count: number): Promise<{ message: ConduitMessage; unread: boolean }[]> {
    if (this.conversationId === undefined) return [];
    const newest = await this.#newest(Math.max(count, 1));
    const unread = await this.#unread();
    const old = unread.filter(({ seq }) => !this.#readable || (seq ?? 0) <= this.#cursor);
    const isUnread = new Set(old.map((message) => messageKey(message)));
    const known = newest.slice(newest.length - count).filter((one) => !isUnread.has(messageKey(one)));
    for (const { id } of old) this.#shown.add(id);
    this.#toAck.push(...old.map(({ id }) => id));
    return [...known, ...old]
      .sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0))
      .map((message) => ({ message, unread: isUnread.has(messageKey(message)) }));
  }

  /** Shows replies as they come until `signal` aborts. A fault that may pass is waited out; rejects with any other. */
  async follow(signal: AbortSignal): Promise<void> {
    const { transport, partner, onTrouble } = this.#options;
    const unsubscribe = transport.subscribe?.((message) => {
      // The other side speaks first: what is no group is the conversation of the two.
      if (message.from === partner && message.groupId === undefined) this.conversationId ??= message.threadId;
      if (message.threadId === this.conversationId) this.#wake.abort();
    });
    const lookMs = unsubscribe ? LOOK_MS.pushed : LOOK_MS.alone;
    let failures = 0;
    try {
      while (!signal.aborted) {
        this.#wake = new AbortController();
        let pauseMs = lookMs;
        try {
          await this.#look(signal);
          if (failures > 0) onTrouble(undefined);
          failures = 0;
        } catch (error) {
          if (signal.aborted) break;
          if (!CleoError.is(error) || !error.retryable) throw error;
          if (failures === 0) onTrouble(error);
          pauseMs = Math.max(backoff(failures, 1_000, LOOK_MS.pushed), error.retryAfterMs ?? 0);
          failures += 1;
        }
        await pause(pauseMs, failures > 0 ? signal : AbortSignal.any([signal, this.#wake.signal]));
      }
    } finally {
      unsubscribe?.();
    }
  }

  /** Sends after everything before it has been sent. */
  send(content: string): Promise<{ messageId: string; conversationId?: string }> {
    const sent = this.#sending.then(() => this.#send(content));
    this.#sending = sent.catch(() => {}); // Its caller hears of it.
    return sent;
  }

  /** Waits for what is being sent, and acknowledges what was shown last. Call it when nothing follows any more. */
  async close(): Promise<void> {
    await this.#sending;
    await this.#ack(AbortSignal.timeout(CLOSE_MS));
  }

  async #send(content: string): Promise<{ messageId: string; conversationId?: string }> {
    const { transport, partner } = this.#options;
    const sent = await transport.push(partner, content, {
      ...(this.conversationId !== undefined && { conversationId: this.conversationId }),
      idempotencyKey: randomUUID(),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (this.conversationId === undefined && sent.conversationId !== undefined) {
      this.conversationId = sent.conversationId;
      // What came meanwhile could not be told to belong here.
      this.#wake.abort();
    }
    return sent;
  }

  async #look(signal: AbortSignal): Promise<void> {
    if (this.conversationId === undefined) return;
    const { partner, onReply } = this.#options;
    for (let more = true; more; ) {
      let messages: ConduitMessage[];
      ({ messages, more } = await this.#next(this.conversationId, signal));
      for (const message of messages) {
        if (message.from !== partner || this.#shown.has(message.id)) continue;
        await onReply(message);
        this.#shown.add(message.id);
        this.#toAck.push(message.id);
      }
      this.#cursor = messages.at(-1)?.seq ?? this.#cursor;
    }
    await this.#ack(signal);
  }

  async #next(
    conversationId: string,
    signal: AbortSignal,
  ): Promise<{ messages: ConduitMessage[]; more: boolean }> {
    if (!this.#readable) return { messages: await this.#unread(), more: false };
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    try {
      return await this.#options.transport.fetchConversation!([conversationId], {
        afterSeq: this.#cursor,
        signal: bounded,
      });
    } catch (error) {
      if (!CleoError.is(error, 'E_GROUPS_UNSUPPORTED')) throw error;
      this.#readable = false;
      return { messages: await this.#unread(), more: false };
    }
  }

  async #newest(limit: number): Promise<ConduitMessage[]> {
    if (!this.#readable) return [];
    try {
      const page = await this.#options.transport.fetchConversation!([this.conversationId!], {
        limit,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      this.#cursor = page.cursor;
      return page.messages;
    } catch (error) {
      if (!CleoError.is(error, 'E_GROUPS_UNSUPPORTED')) throw error;
      this.#readable = false;
      return [];
    }
  }

  /** Among everything unread: what waits from elsewhere may fill more than a page. */
  async #unread(): Promise<ConduitMessage[]> {
    const found: ConduitMessage[] = [];
    for (let afterSeq: number | undefined; ; ) {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const page = await this.#options.transport.poll({ limit: PAGE, afterSeq, signal });
      found.push(...page.filter(({ threadId }) => threadId === this.conversationId));
      const last = page.at(-1)?.seq;
      if (page.length < PAGE || last === undefined) return found;
      afterSeq = last;
    }
  }

  async #ack(signal: AbortSignal): Promise<void> {
    if (this.#toAck.length === 0) return;
    const ids = this.#toAck;
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    await this.#options.transport.ack(ids, { signal: bounded });
    this.#toAck = this.#toAck.slice(ids.length);
    for (const id of ids) this.#shown.delete(id);
  }
}
