import {
  backoff,
  CleoError,
  type ConduitMessage,
  callWithin,
  conversationOf,
  errorText,
  type Inbox,
  type InboxEvent,
  type InboxStats,
  type IntakeSource,
  isMentioned,
  isMessage,
  messageKey,
  type ReceiveResult,
  Waiters,
} from '@cleocode/contracts';
import type { AckQueue } from './ack-queue.ts';
import { handlerFailed, handlerTimeout, notWhole } from './errors.ts';
import type { SeenKeys } from './seen-keys.ts';

/** What a handler is given beside the message. */
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
  acks: Pick<AckQueue, 'add' | 'size'>;
  groupMessages: 'all' | 'mentions';
  /** Milliseconds. */
  handlerTimeoutMs: number;
  maxAttempts: number;
  /** Before the second attempt, in milliseconds; doubles with each. */
  retryDelayMs: number;
  onError(error: CleoError): void;
  /** What an observer threw. */
  onObserverError(error: unknown): void;
}

interface Item {
  readonly key: string;
  readonly message: ConduitMessage;
  readonly ackIds: Set<string>;
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
 * The inbox without a kernel: in memory, order kept inside a conversation, conversations in parallel, ack after every handler
 * succeeded. What it turned away for want of room comes back when the source reads again.
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
  /** The last message that was turned away and that the backend still holds, by its `seq`: what comes later must wait for it. */
  #gap: number | undefined;
  /** Everything unread up to this `seq` was taken: what the latest page from a cursor said. */
  #taken = 0;
  /** Something was turned away: its source is to hear when there is room. */
  #refused = false;
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
    this.#taken = source.afterSeq ?? this.#taken;
    for (const message of messages) {
      if (!isMessage(message)) this.#options.onError(notWhole(source));
      else if (this.#skip(message, source)) result.duplicates += 1;
      else if (this.room === 0 || this.#overtakes(source)) {
        this.#turnAway(message, source);
        result.deferred.push(message);
      } else {
        this.#accept(message, source);
        result.accepted += 1;
      }
    }
    this.#pump();
    // Nothing that ends here will make the room that there is already.
    if (result.deferred.length > 0 && this.room === CAPACITY) setImmediate(() => this.#sayRoom());
    return result;
  }

  async waitForRoom(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.room === 0) await this.#waiters.wait(signal);
  }

  stats(): InboxStats {
    // One that has just left is still counted among the running for a moment.
    const inFlight = Math.min(this.#running.size, this.#items.size);
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
    if (this.#refused && this.#items.size === 0) this.#sayRoom();
    this.#wakeWaiters();
  }

  /** Takes nothing more in, starts no more handlers, waits up to `ms` for those at work, then aborts their signals. */
  async close(ms: number): Promise<void> {
    this.#closed = true;
    this.#emit({ type: 'closed' });
    for (const { retry } of this.#lanes.values()) clearTimeout(retry);
    const giveUp = setTimeout(() => this.#stopping.abort(new Error('the intake is stopping')), ms);
    await Promise.all(this.#running);
    clearTimeout(giveUp);
  }

  /** Deals with a message that no handler gets (any more). */
  #skip(message: ConduitMessage, source: IntakeSource): boolean {
    const { agentId, seen, acks, groupMessages } = this.#options;
    const key = messageKey(message);
    const item = this.#items.get(key);
    if (item) {
      if (source.ackable) item.ackIds.add(message.id);
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

  /** Whether a message of `source` could get in before one that was turned away. A page from a cursor brings that first. */
  #overtakes({ afterSeq }: IntakeSource): boolean {
    return (
      afterSeq === undefined && this.#gap !== undefined && (this.#taken === 0 || this.#gap > this.#taken)
    );
  }

  #turnAway({ seq = 0 }: ConduitMessage, { ackable }: IntakeSource): void {
    this.#refused = true;
    // What another view shows need not be in the agent's own list: nothing there would ever fill the gap.
    if (ackable) this.#gap = Math.max(this.#gap ?? 0, seq);
  }

  #accept(message: ConduitMessage, source: IntakeSource): void {
    // Pages ascend: one that has come this far has brought everything that was missing.
    if (this.#gap !== undefined && (message.seq ?? 0) >= this.#gap) this.#gap = undefined;
    const item: Item = {
      key: messageKey(message),
      message,
      ackIds: new Set(source.ackable ? [message.id] : []),
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
      const work: Promise<void> = this.#attempt(lane, lane.items[0]!).finally(() => {
        this.#running.delete(work);
        this.#pump();
      });
      this.#running.add(work);
    }
  }

  /** One attempt at one message. Never rejects. */
  async #attempt(lane: Lane, item: Item): Promise<void> {
    item.attempt += 1;
    const { message, attempt } = item;
    const started = performance.now();
    const failure = await this.#callAll(item);
    if (failure) return this.#failed(lane, item, failure.error);
    this.#counts.done += 1;
    for (const id of item.ackIds) this.#options.acks.add(id);
    this.#options.seen.add(item.key, 'done');
    this.#leave(lane, item, { type: 'done', message, attempt, durationMs: performance.now() - started });
  }

  /** Calls the handlers that have not succeeded yet. Answers the worst of what they threw. */
  async #callAll(item: Item): Promise<{ error: unknown } | undefined> {
    let worst: { error: unknown } | undefined;
    for (const handler of [...this.#options.handlers]) {
      if (item.succeeded.has(handler)) continue;
      try {
        await this.#call(handler, item);
        item.succeeded.add(handler);
      } catch (error) {
        if (this.#stopping.signal.aborted) return { error };
        if (!worst || CleoError.is(error, 'E_PERMANENT')) worst = { error };
      }
    }
    return worst;
  }

  #call(handler: MessageHandler, { message, attempt }: Item): Promise<unknown> {
    const bounds = { timeoutMs: this.#options.handlerTimeoutMs, signal: this.#stopping.signal };
    return callWithin(
      bounds,
      () => handlerTimeout(bounds.timeoutMs),
      (signal) => handler(message, { attempt, signal }),
    );
  }

  #failed(lane: Lane, item: Item, error: unknown): void {
    // Cut short by a stop: it comes again at the next start.
    if (this.#stopping.signal.aborted) return;
    const { maxAttempts, retryDelayMs, onError, seen } = this.#options;
    const { message, attempt } = item;
    this.#counts.failed += 1;
    const last = attempt >= maxAttempts || CleoError.is(error, 'E_PERMANENT');
    onError(handlerFailed(message, attempt, maxAttempts, last, error));
    if (last) {
      this.#counts.dead += 1;
      seen.add(item.key, 'given up');
      this.#leave(lane, item, { type: 'dead', message, attempts: attempt, error: errorText(error) });
    } else if (!this.#closed)
      lane.retry = setTimeout(
        () => {
          this.#ready.push(lane);
          this.#pump();
        },
        backoff(attempt - 1, retryDelayMs, RETRY_CAP_MS),
      );
  }

  #leave(lane: Lane, item: Item, event: InboxEvent): void {
    lane.items.shift();
    this.#items.delete(item.key);
    if (lane.items.length > 0) this.#ready.push(lane);
    else this.#lanes.delete(conversationOf(item.message));
    this.#emit(event);
    const { size } = this.#items;
    if (this.#refused && (size === CAPACITY / 2 || size === 0)) this.#sayRoom();
    if (size <= CAPACITY / 2) this.#wakeWaiters();
  }

  #sayRoom(): void {
    if (this.room === 0) return;
    // Once all of it is free there is nothing left to say.
    if (this.#items.size === 0) this.#refused = false;
    this.#emit({ type: 'room' });
  }

  #wakeWaiters(): void {
    if (this.room > 0) this.#waiters.wake();
  }

  #emit(event: InboxEvent): void {
    for (const listener of [...this.#observers]) {
      try {
        listener(event);
      } catch (error) {
        this.#options.onObserverError(error);
      }
    }
  }
}
