import {
  CleoError,
  type ConduitMessage,
  errorText,
  type Inbox,
  type InboxEvent,
  type InboxStats,
  type IntakeSource,
  isMentioned,
  messageKey,
  type ReceiveResult,
  Waiters,
} from '@cleocode/contracts';
import type { AckQueue } from './ack-queue.ts';
import { conversationOf } from './conversation.ts';
import { callWithin } from './deadline.ts';
import { handlerFailed, handlerTimeout, notWhole } from './errors.ts';
import type { SeenKeys } from './seen-keys.ts';

export interface MessageContext {
  /** Counts from 1. */
  attempt: number;
  /** Aborts at the handler's deadline, and when a stop no longer waits. */
  signal: AbortSignal;
}

/** Resolving means: handled. Throwing means: try again later; a `PermanentError` means: never. */
export type MessageHandler = (message: ConduitMessage, context: MessageContext) => unknown;

export interface HandlerInboxOptions {
  agentId: string;
  /** Looked at for each attempt: handlers may come and go. */
  handlers: ReadonlySet<MessageHandler>;
  seen: SeenKeys;
  acks: AckQueue;
  groupMessages: 'all' | 'mentions';
  handlerTimeoutMs: number;
  maxAttempts: number;
  /** Before the second attempt, in milliseconds; doubles with each. */
  retryDelayMs: number;
  onError(error: CleoError): void;
}

interface Item {
  readonly key: string;
  readonly message: ConduitMessage;
  readonly ackIds: string[];
  readonly succeeded: Set<MessageHandler>;
  attempt: number;
}

/** The messages of one conversation, in order; the first one is being handled or waits for its next attempt. */
interface Lane {
  readonly items: Item[];
  retry: NodeJS.Timeout | undefined;
}

const CAPACITY = 500;
const CONCURRENCY = 8;
const RETRY_CAP_MS = 60_000;

/**
 * The inbox of a poller used without the kernel: in memory, order kept inside a conversation, conversations in parallel,
 * ack after every handler succeeded. What it turned away for want of room comes back with the next scan.
 */
export class HandlerInbox implements Inbox {
  readonly #options: HandlerInboxOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #items = new Map<string, Item>();
  readonly #observers = new Set<(event: InboxEvent) => void>();
  readonly #waiters = new Waiters();
  readonly #running = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #counts = { done: 0, failed: 0, dead: 0, dropped: 0 };
  #ready: Lane[] = [];
  /** Something was turned away that the backend still holds: what comes later must wait for it. */
  #gap = false;
  #closed = false;

  constructor(options: HandlerInboxOptions) {
    this.#options = options;
  }

  /** None while nobody handles messages: they wait at the backend. */
  get room(): number {
    if (this.#closed || this.#options.handlers.size === 0) return 0;
    return Math.max(0, CAPACITY - this.#items.size);
  }

  receive(messages: readonly ConduitMessage[], source: IntakeSource): ReceiveResult {
    const result: ReceiveResult = { accepted: 0, duplicates: 0, deferred: [] };
    // Such a page brings what is missing first.
    if (source.afterSeq !== undefined) this.#gap = false;
    for (const message of messages) {
      if (!isWhole(message)) this.#options.onError(notWhole(source));
      else if (this.#skip(message, source)) result.duplicates += 1;
      else if (this.#gap || this.room === 0) {
        // What another view shows need not be in the agent's own list: nothing there would ever fill the gap.
        if (source.ackable) this.#gap = true;
        result.deferred.push(message);
      } else {
        this.#accept(message, source);
        result.accepted += 1;
      }
    }
    this.#pump();
    return result;
  }

  async waitForRoom(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.room === 0) await this.#waiters.wait(signal);
  }

  stats(): InboxStats {
    const inFlight = this.#running.size;
    const queued = this.#items.size - inFlight;
    return { inFlight, queued, ...this.#counts, unacked: this.#options.acks.size, problems: [] };
  }

  observe(listener: (event: InboxEvent) => void): () => void {
    this.#observers.add(listener);
    return () => this.#observers.delete(listener);
  }

  /** To be called when a handler was added. */
  handlersChanged(): void {
    this.#pump();
    this.#roomAgain();
  }

  /** Starts no more handlers, waits up to `ms` for those at work, then aborts their signals. */
  async close(ms: number): Promise<void> {
    this.#closed = true;
    for (const { retry } of this.#lanes.values()) clearTimeout(retry);
    const giveUp = setTimeout(() => this.#stopping.abort(new Error('the poller is stopping')), ms);
    await Promise.all(this.#running);
    clearTimeout(giveUp);
  }

  /** Deals with a message that no handler gets (any more). */
  #skip(message: ConduitMessage, source: IntakeSource): boolean {
    const { agentId, seen, acks, groupMessages } = this.#options;
    const key = messageKey(message);
    const item = this.#items.get(key);
    if (item) {
      if (source.ackable && !item.ackIds.includes(message.id)) item.ackIds.push(message.id);
      return true;
    }
    const ending = seen.get(key);
    const unwanted =
      message.from === agentId ||
      (groupMessages === 'mentions' &&
        message.groupId !== undefined &&
        !isMentioned(message.content, agentId));
    if (!ending && !unwanted) return false;
    // A message that was given up stays unread: another process, or the next one, may do better.
    if (source.ackable && ending !== 'given up') acks.add(message.id);
    this.#emit({ type: 'known', message });
    return true;
  }

  #accept(message: ConduitMessage, source: IntakeSource): void {
    const item: Item = {
      key: messageKey(message),
      message,
      ackIds: source.ackable ? [message.id] : [],
      succeeded: new Set(),
      attempt: 0,
    };
    this.#items.set(item.key, item);
    const name = conversationOf(message);
    const lane = this.#lanes.get(name);
    if (lane) lane.items.push(item);
    else {
      const first: Lane = { items: [item], retry: undefined };
      this.#lanes.set(name, first);
      this.#ready.push(first);
    }
  }

  #pump(): void {
    while (!this.#closed && this.#running.size < CONCURRENCY && this.#options.handlers.size > 0) {
      const lane = this.#ready.shift();
      if (!lane) return;
      const work: Promise<void> = this.#handle(lane, lane.items[0]!).finally(() => {
        this.#running.delete(work);
        this.#pump();
      });
      this.#running.add(work);
    }
  }

  /** One attempt. Never rejects. */
  async #handle(lane: Lane, item: Item): Promise<void> {
    item.attempt += 1;
    const { message, attempt } = item;
    const started = performance.now();
    let worst: unknown;
    for (const handler of [...this.#options.handlers]) {
      if (item.succeeded.has(handler)) continue;
      try {
        await this.#call(handler, item);
        item.succeeded.add(handler);
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        if (!CleoError.is(worst, 'E_PERMANENT')) worst = error ?? new Error('the handler failed');
      }
    }
    if (worst === undefined) {
      this.#counts.done += 1;
      for (const id of item.ackIds) this.#options.acks.add(id);
      this.#options.seen.add(item.key, 'done');
      this.#emit({ type: 'done', message, attempt, durationMs: performance.now() - started });
      return this.#leave(lane, item);
    }
    this.#failed(lane, item, worst);
  }

  #call(handler: MessageHandler, { message, attempt }: Item): Promise<unknown> {
    const bounds = { timeoutMs: this.#options.handlerTimeoutMs, signal: this.#stopping.signal };
    return callWithin(
      bounds,
      () => handlerTimeout(bounds.timeoutMs),
      async (signal) => handler(message, { attempt, signal }),
    );
  }

  #failed(lane: Lane, item: Item, error: unknown): void {
    const { maxAttempts, retryDelayMs, onError, seen } = this.#options;
    const { message, attempt } = item;
    this.#counts.failed += 1;
    const last = attempt >= maxAttempts || CleoError.is(error, 'E_PERMANENT');
    onError(handlerFailed(message, attempt, maxAttempts, last, error));
    if (last) {
      this.#counts.dead += 1;
      seen.add(item.key, 'given up');
      this.#emit({ type: 'dead', message, attempts: attempt, error: errorText(error) });
      this.#leave(lane, item);
      return;
    }
    if (this.#closed) return;
    const wait = Math.min(RETRY_CAP_MS, retryDelayMs * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
    lane.retry = setTimeout(() => {
      this.#ready.push(lane);
      this.#pump();
    }, wait);
  }

  #leave(lane: Lane, item: Item): void {
    lane.items.shift();
    this.#items.delete(item.key);
    if (lane.items.length > 0) this.#ready.push(lane);
    else this.#lanes.delete(conversationOf(item.message));
    const size = this.#items.size;
    if (this.#gap && (size === CAPACITY / 2 || size === 0)) this.#emit({ type: 'room' });
    if (size <= CAPACITY / 2) this.#roomAgain();
  }

  #roomAgain(): void {
    if (this.room > 0) this.#waiters.wake();
  }

  #emit(event: InboxEvent): void {
    for (const listener of this.#observers) listener(event);
  }
}

/** A transport may be anyone's: what it hands over is looked at once. */
function isWhole(message: ConduitMessage | null): boolean {
  return (
    typeof message?.id === 'string' && typeof message.from === 'string' && typeof message.content === 'string'
  );
}
