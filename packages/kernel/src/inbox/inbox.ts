import {
  type ConduitMessage,
  errorText,
  type Inbox,
  type InboxEvent,
  type InboxStats,
  type IntakeSource,
  type Journal,
  messageKey,
  type ReceiveResult,
} from '@cleocode/contracts';
import { backoff, isThenable, withDeadline } from '../deadline.ts';
import type { Hooks } from '../hooks.ts';
import type { Logger } from '../logger.ts';
import { Acker } from './acker.ts';
import { Attempt } from './attempt.ts';
import type { Outbox } from './delivery.ts';
import { type Item, type Lane, Lanes } from './lanes.ts';
import { type InboxOptions, withDefaults } from './options.ts';
import { GAVE_UP, PatientJournal } from './patient-journal.ts';
import { Problems } from './problems.ts';

/** What the inbox works with; known once the plugins are set up. */
export interface InboxParts {
  hooks: Hooks;
  journal: Journal;
  logger: Logger;
  outbox: Outbox;
  ack(ids: string[], signal: AbortSignal): Promise<void>;
  agentId(): string;
  /** A handler's deadline unless it names its own. */
  messageTimeoutMs: number;
}

export interface DrainReport {
  /** Everything that was being handled has finished. */
  drained: boolean;
  /** What did not finish in time: those messages come again at the next start. */
  released: { messageId: string }[];
}

/** How long the last acks and the release of what did not finish may take beyond the drain deadline. */
const CLOSING_MS = 750;

/**
 * The kernel's inbox: order inside a conversation, parallel across, durable deduplication, retry, dead letters, ack after
 * done. Nothing is acked before the journal has it.
 */
export class KernelInbox implements Inbox {
  readonly #options: Required<InboxOptions>;
  readonly #lanes: Lanes;
  readonly #problems = new Problems((event) => this.#emit(event));
  readonly #observers = new Set<(event: InboxEvent) => void>();
  readonly #roomWaiters = new Set<() => void>();
  readonly #running = new Map<Item, Attempt>();
  readonly #retries = new Map<Lane, NodeJS.Timeout>();
  readonly #givenUp = new AbortController();
  readonly #counts = { done: 0, failed: 0, dead: 0, dropped: 0 };
  readonly #idleWaiters = new Set<() => void>();
  #parts: InboxParts | undefined;
  #journal: PatientJournal | undefined;
  #acker: Acker | undefined;
  /** Lanes with work and nobody at it, in turn. */
  #ready: Lane[] = [];
  /** Handlers at work or about to be. */
  #slots = 0;
  /** Items between their first step and their last. */
  #working = 0;
  #open = false;
  #closed = false;

  constructor(options: InboxOptions = {}) {
    this.#options = withDefaults(options);
    this.#lanes = new Lanes(this.#options);
  }

  /** Gives the inbox its parts. Messages are accepted from now on and wait until {@link open}. */
  attach(parts: InboxParts): void {
    this.#parts = parts;
    this.#journal = new PatientJournal(parts.journal, this.#problems, this.#givenUp.signal);
    this.#acker = new Acker({
      ack: parts.ack,
      onState: (error) => {
        if (error === undefined) this.#problems.resolve('ack_failing');
        else this.#problems.report('ack_failing', `acks are not getting through: ${errorText(error)}`);
      },
      onRefused: (ids, error) =>
        parts.logger.error('the backend refuses an ack', { messageIds: ids, error: errorText(error) }),
    });
  }

  /** Starts to hand messages to the handlers. */
  open(): void {
    this.#open = true;
    this.#pump();
  }

  /** Called when the set of handlers changed. */
  handlersChanged(): void {
    this.#problems.resolve('no_handler');
    this.#pump();
  }

  get room(): number {
    return this.#closed || !this.#parts ? 0 : this.#lanes.room;
  }

  receive(messages: readonly ConduitMessage[], source: IntakeSource): ReceiveResult {
    const result: ReceiveResult = { accepted: 0, duplicates: 0, deferred: [] };
    for (const message of messages) {
      if (!this.#parts || this.#closed) result.deferred.push(message);
      else if (!isWhole(message)) this.#refuse(message, source);
      else if (message.from === this.#parts.agentId()) this.#skipOwn(message, source, result);
      else this.#take(message, source, result);
    }
    this.#pump();
    return result;
  }

  waitForRoom(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.room > 0) return resolve();
      const settle = (end: () => void) => {
        this.#roomWaiters.delete(onRoom);
        signal.removeEventListener('abort', onAbort);
        end();
      };
      const onRoom = () => settle(resolve);
      const onAbort = () => settle(() => reject(signal.reason));
      this.#roomWaiters.add(onRoom);
      signal.addEventListener('abort', onAbort);
    });
  }

  stats(): InboxStats {
    return {
      inFlight: this.#running.size,
      queued: this.#lanes.size - this.#running.size,
      ...this.#counts,
      unacked: this.#acker?.size ?? 0,
      problems: this.#problems.list(),
    };
  }

  observe(listener: (event: InboxEvent) => void): () => void {
    this.#observers.add(listener);
    return () => this.#observers.delete(listener);
  }

  /**
   * Takes nothing more in, waits up to `ms` for what is being handled, releases the rest (signal aborted, attempt not
   * counted), and sends the last acks.
   */
  async drain(ms: number): Promise<DrainReport> {
    this.#closed = true;
    this.#ready = [];
    for (const timer of this.#retries.values()) clearTimeout(timer);
    this.#retries.clear();
    for (const wake of this.#roomWaiters) wake();
    await this.#idle(ms);
    const drained = this.#working === 0;
    const released = [...this.#running.keys()].map((item) => ({ messageId: item.message.id }));
    this.#givenUp.abort(new Error('the kernel is stopping'));
    for (const attempt of this.#running.values()) attempt.abandon(this.#givenUp.signal.reason);
    await this.#idle(CLOSING_MS);
    await this.#acker?.flush(CLOSING_MS);
    return { drained, released };
  }

  #take(message: ConduitMessage, source: IntakeSource, result: ReceiveResult): void {
    const known = this.#lanes.get(messageKey(message));
    if (known) {
      if (source.ackable && !known.ackIds.includes(message.id)) known.ackIds.push(message.id);
      result.duplicates += 1;
      return;
    }
    const item = this.#lanes.accept(message, source);
    if (!item) {
      result.deferred.push(message);
      return;
    }
    result.accepted += 1;
    if (!item.lane.busy && item.lane.items.length === 1) this.#ready.push(item.lane);
  }

  #skipOwn(message: ConduitMessage, source: IntakeSource, result: ReceiveResult): void {
    if (source.ackable) this.#acker!.add([message.id]);
    result.duplicates += 1;
  }

  #refuse(message: unknown, source: IntakeSource): void {
    const id = (message as { id?: unknown } | null)?.id;
    this.#parts!.logger.error('a message without id, sender or text content is set aside', {
      source: source.name,
      id,
    });
  }

  #pump(): void {
    if (!this.#open || this.#closed || this.#ready.length === 0) return;
    if (!this.#parts!.hooks.handlesMessages) {
      this.#problems.report('no_handler', 'no plugin handles messages: they wait at the backend');
      return;
    }
    while (this.#slots < this.#options.concurrency && this.#ready.length > 0) {
      const lane = this.#ready.shift()!;
      lane.busy = true;
      this.#slots += 1;
      this.#working += 1;
      void this.#work(lane.items[0]!);
    }
  }

  /** One attempt at one message. Never rejects. The slot is given back as soon as no handler runs any more. */
  async #work(item: Item): Promise<void> {
    const { hooks, outbox, messageTimeoutMs } = this.#parts!;
    const answer = this.#journal!.ask((journal) => journal.begin(item.key));
    const begun = isThenable(answer) ? await answer : answer;
    if (begun === GAVE_UP || begun.state !== 'begun') {
      this.#freeSlot();
      if (begun === GAVE_UP) return this.#rest(item);
      this.#emit({ type: 'known', message: item.message });
      return this.#finish(item);
    }
    const { attempt: number, failures } = begun;
    const ended = endedBefore(number, failures, this.#options.maxAttempts);
    if (ended) {
      this.#freeSlot();
      return this.#bury(item, ended, number - 1);
    }
    if (this.#observers.size > 0)
      this.#emit({ type: 'message', message: item.message, attempt: number, source: item.source });
    const started = performance.now();
    const attempt = new Attempt(item, number, outbox, messageTimeoutMs);
    this.#running.set(item, attempt);
    if (this.#givenUp.signal.aborted) attempt.abandon(this.#givenUp.signal.reason);
    await hooks.run('message', undefined, attempt);
    this.#running.delete(item);
    this.#freeSlot();
    if (attempt.cutShort) return this.#release(item);
    if (attempt.failures.length > 0 && !attempt.dropped)
      return this.#failed(item, number, failures + 1, attempt);
    return this.#done(item, number, started, attempt.dropped);
  }

  async #done(item: Item, attempt: number, started: number, dropped: Attempt['dropped']): Promise<void> {
    const answer = this.#journal!.ask((journal) => journal.done(item.key));
    if ((isThenable(answer) ? await answer : answer) === GAVE_UP) return this.#rest(item);
    this.#counts[dropped ? 'dropped' : 'done'] += 1;
    if (this.#observers.size > 0) {
      const { message } = item;
      if (dropped) this.#emit({ type: 'dropped', message, ...dropped });
      else this.#emit({ type: 'done', message, attempt, durationMs: performance.now() - started });
    }
    this.#finish(item);
  }

  async #failed(
    item: Item,
    attempt: number,
    failures: number,
    { failures: [first], permanent }: Attempt,
  ): Promise<void> {
    const { plugin, error } = first!;
    const { message } = item;
    const reason = `${plugin}: ${errorText(error)}`;
    this.#counts.failed += 1;
    if (permanent || failures >= this.#options.maxAttempts) {
      this.#emit({ type: 'failed', message, attempt, plugin, error });
      return this.#bury(item, reason, attempt);
    }
    if ((await this.#journal!.ask((journal) => journal.failed(item.key, reason))) === GAVE_UP)
      return this.#rest(item);
    const retryInMs = Math.round(backoff(failures - 1, this.#options.retryBaseMs, this.#options.retryMaxMs));
    this.#emit({ type: 'failed', message, attempt, plugin, error, retryInMs });
    this.#workEnded();
    if (this.#closed) return;
    // The lane stays busy meanwhile: what comes after this message waits for it.
    const timer = setTimeout(() => {
      this.#retries.delete(item.lane);
      this.#wake(item.lane);
    }, retryInMs);
    this.#retries.set(item.lane, timer);
  }

  /** Ends a message as a dead letter, kept whole in the journal, and acks it. */
  async #bury(item: Item, reason: string, attempts: number): Promise<void> {
    const buried = await this.#journal!.ask((journal) => journal.dead(item.key, item.message, reason));
    if (buried === GAVE_UP) return this.#rest(item);
    this.#counts.dead += 1;
    this.#emit({ type: 'dead', message: item.message, attempts, error: reason });
    this.#finish(item);
  }

  async #release(item: Item): Promise<void> {
    try {
      await this.#parts!.journal.release(item.key);
    } catch (error) {
      // The attempt stays counted, nothing else: the message comes again either way.
      this.#parts!.logger.warn('could not release an attempt', {
        messageId: item.message.id,
        error: errorText(error),
      });
    }
    this.#rest(item);
  }

  /** The last step of an item that is done, dead, or was so before. */
  #finish(item: Item): void {
    this.#workEnded();
    const roomAgain = this.#lanes.remove(item);
    if (item.ackIds.length > 0) this.#acker!.add(item.ackIds);
    this.#wake(item.lane);
    if (roomAgain) this.#emit({ type: 'room' });
    if (this.#roomWaiters.size > 0 && this.room >= this.#options.capacity / 8)
      for (const wake of [...this.#roomWaiters]) wake();
  }

  /** The inbox is closing: the item stays unfinished and comes again from the backend. */
  #rest(item: Item): void {
    item.lane.busy = false;
    this.#workEnded();
  }

  #wake(lane: Lane): void {
    lane.busy = false;
    if (this.#closed) return;
    if (lane.items.length > 0) this.#ready.push(lane);
    this.#pump();
  }

  #freeSlot(): void {
    this.#slots -= 1;
    this.#pump();
  }

  #workEnded(): void {
    this.#working -= 1;
    if (this.#working === 0) for (const wake of this.#idleWaiters) wake();
  }

  /** Resolves when nothing is being worked on, or after `ms`. */
  async #idle(ms: number): Promise<void> {
    if (this.#working === 0) return;
    let wake = (): void => {};
    const idle = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#idleWaiters.add(wake);
    // Running out of time is an answer here, not a failure: the caller looks at what still runs.
    await withDeadline(idle, ms, () => undefined).catch(() => {});
    this.#idleWaiters.delete(wake);
  }

  #emit(event: InboxEvent): void {
    for (const observer of this.#observers) {
      try {
        observer(event);
      } catch (error) {
        this.#parts?.logger.error('an observer of the inbox threw', {
          event: event.type,
          error: errorText(error),
        });
      }
    }
  }
}

/**
 * Why a message must not be tried again although nobody buried it: its failures were counted by an earlier process, or the
 * process keeps dying while it is handled.
 */
function endedBefore(attempt: number, failures: number, maxAttempts: number): string | undefined {
  if (failures >= maxAttempts) return `failed ${failures} times`;
  const cutShort = attempt - 1 - failures;
  if (cutShort < 2 * maxAttempts) return undefined;
  return `the process ended ${cutShort} times while it was being handled`;
}

/** A transport may be anyone's: what it hands over is looked at once. */
function isWhole(message: unknown): message is ConduitMessage {
  if (typeof message !== 'object' || message === null) return false;
  const { id, from, content } = message as Record<string, unknown>;
  return typeof id === 'string' && id !== '' && typeof from === 'string' && typeof content === 'string';
}
