import {
  backoff,
  CleoError,
  type ConduitMessage,
  type Inbox,
  type IntakeSource,
  messageKey,
  type ReceiveResult,
  withDeadline,
} from '@cleocode/contracts';
import { handlerFailed, handlerTimeout, notWhole } from './errors.ts';

/** Resolving means: handled. Throwing means: try again later; a `PermanentError` means: never. */
export type MessageHandler = (message: ConduitMessage, context: MessageContext) => unknown;

export interface MessageContext {
  /** Counts from 1. */
  attempt: number;
  /** Aborts at the handler's deadline, and when a stop no longer waits. */
  signal: AbortSignal;
}

export interface HandlerInboxOptions {
  agentId: string;
  /** Looked at for each attempt: handlers may come and go. */
  handlers: ReadonlySet<MessageHandler>;
  /** Keys of messages that ended, and whether they may be acked. Bounded here. */
  finished: Map<string, boolean>;
  handlerTimeoutMs: number;
  maxAttempts: number;
  /** Before the second attempt, in milliseconds; doubles with each. */
  retryDelayMs: number;
  ack(messageId: string): void;
  /** There is room again for what was turned away. */
  onRoom(): void;
  onError(error: CleoError): void;
}

interface Item {
  readonly key: string;
  readonly message: ConduitMessage;
  readonly ackIds: Set<string>;
  readonly succeeded: Set<MessageHandler>;
  attempt: number;
}

/** The messages of one conversation. The first is being handled, or waits for its next attempt. */
type Lane = Item[];

const CAPACITY = 500;
const CONCURRENCY = 8;
const RETRY_CAP_MS = 60_000;
/** Messages remembered as finished. */
const REMEMBERED = 10_000;

/**
 * Gives messages to handlers without the kernel: in order inside a conversation, conversations in parallel, acked once every
 * handler has succeeded. In memory, and bounded: what it turns away is to be offered again after {@link HandlerInboxOptions.onRoom}.
 */
export class HandlerInbox implements Pick<Inbox, 'receive' | 'room'> {
  readonly #options: HandlerInboxOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #items = new Map<string, Item>();
  readonly #running = new Set<Promise<void>>();
  readonly #retries = new Set<NodeJS.Timeout>();
  readonly #stopping = new AbortController();
  #ready: Lane[] = [];
  /** Something was turned away: what comes later has to wait for it. */
  #gap = false;
  #closed = false;

  constructor(options: HandlerInboxOptions) {
    this.#options = options;
  }

  /** None while nobody handles messages: they wait at the backend. */
  get room(): number {
    return this.#closed || this.#options.handlers.size === 0 ? 0 : Math.max(0, CAPACITY - this.#items.size);
  }

  receive(messages: readonly ConduitMessage[], source: IntakeSource): ReceiveResult {
    const result: ReceiveResult = { accepted: 0, duplicates: 0, deferred: [] };
    // Such a page brings what is missing first.
    if (source.afterSeq !== undefined) this.#gap = false;
    for (const message of messages) {
      if (!isWhole(message)) this.#options.onError(notWhole());
      else if (this.#isKnown(message)) result.duplicates += 1;
      else if (this.#gap || this.room === 0) {
        this.#gap = true;
        result.deferred.push(message);
      } else {
        this.#accept(message);
        result.accepted += 1;
      }
    }
    this.#pump();
    return result;
  }

  /** To be called when a handler was added. */
  handlersChanged(): void {
    this.#pump();
  }

  /** Starts no more handlers, waits up to `ms` milliseconds for those at work, then aborts their signals. */
  async close(ms: number): Promise<void> {
    this.#closed = true;
    for (const retry of this.#retries) clearTimeout(retry);
    const giveUp = setTimeout(() => this.#stopping.abort(new Error('the service is stopping')), ms);
    await Promise.all(this.#running);
    clearTimeout(giveUp);
  }

  /** Deals with a message that no handler gets, or that is under way. */
  #isKnown(message: ConduitMessage): boolean {
    const { agentId, ack, finished } = this.#options;
    const key = messageKey(message);
    const item = this.#items.get(key);
    item?.ackIds.add(message.id);
    const ackable = message.from === agentId || finished.get(key);
    if (ackable) ack(message.id);
    return item !== undefined || ackable !== undefined;
  }

  #accept(message: ConduitMessage): void {
    const key = messageKey(message);
    const item: Item = { key, message, ackIds: new Set([message.id]), succeeded: new Set(), attempt: 0 };
    this.#items.set(key, item);
    const name = conversationOf(message);
    const lane = this.#lanes.get(name);
    if (lane) lane.push(item);
    else {
      const first = [item];
      this.#lanes.set(name, first);
      this.#ready.push(first);
    }
  }

  #pump(): void {
    const { handlers } = this.#options;
    while (!this.#closed && this.#running.size < CONCURRENCY && handlers.size > 0) {
      const lane = this.#ready.shift();
      if (!lane) return;
      const work: Promise<void> = this.#attempt(lane, lane[0]!).finally(() => {
        this.#running.delete(work);
        this.#pump();
      });
      this.#running.add(work);
    }
  }

  /** One attempt at one message. Never rejects. */
  async #attempt(lane: Lane, item: Item): Promise<void> {
    const { maxAttempts, ack, onError } = this.#options;
    item.attempt += 1;
    const failure = await this.#callAll(item);
    // Cut short by a stop: it comes again at the next start.
    if (this.#stopping.signal.aborted) return;
    if (!failure) {
      for (const id of item.ackIds) ack(id);
      return this.#finish(lane, item, true);
    }
    const last = item.attempt >= maxAttempts || CleoError.is(failure.error, 'E_PERMANENT');
    onError(handlerFailed(item.message, item.attempt, maxAttempts, last, failure.error));
    if (last) this.#finish(lane, item, false);
    else if (!this.#closed) this.#later(lane, item);
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

  async #call(handler: MessageHandler, { message, attempt }: Item): Promise<void> {
    const ms = this.#options.handlerTimeoutMs;
    const own = new AbortController();
    try {
      const work = (async () => handler(message, { attempt, signal: own.signal }))();
      await withDeadline(work, ms, () => handlerTimeout(ms), this.#stopping.signal);
    } catch (error) {
      own.abort(error);
      throw error;
    }
  }

  #later(lane: Lane, { attempt }: Item): void {
    const retry = setTimeout(
      () => {
        this.#retries.delete(retry);
        this.#ready.push(lane);
        this.#pump();
      },
      backoff(attempt - 1, this.#options.retryDelayMs, RETRY_CAP_MS),
    );
    this.#retries.add(retry);
  }

  #finish(lane: Lane, item: Item, ackable: boolean): void {
    const { finished, onRoom } = this.#options;
    finished.set(item.key, ackable);
    if (finished.size > REMEMBERED) finished.delete(finished.keys().next().value!);
    lane.shift();
    this.#items.delete(item.key);
    if (lane.length > 0) this.#ready.push(lane);
    else this.#lanes.delete(conversationOf(item.message));
    const left = this.#items.size;
    if (this.#gap && (left === CAPACITY / 2 || left === 0)) onRoom();
  }
}

function conversationOf({ threadId, groupId, from }: ConduitMessage): string {
  return threadId ?? groupId ?? from;
}

/** A transport may be anyone's: what it hands over is looked at once. */
function isWhole(message: ConduitMessage | null): boolean {
  const { id, from, content } = message ?? {};
  return (
    Boolean(id && from) && typeof id === 'string' && typeof from === 'string' && typeof content === 'string'
  );
}
