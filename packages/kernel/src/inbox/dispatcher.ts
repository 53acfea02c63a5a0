import {
  type AsideConversation,
  backoff,
  errorText,
  type InboxEvent,
  isThenable,
  type Journal,
  pauseAskedBy,
  withDeadline,
} from '@cleocode/contracts';
import type { Hooks } from '../hooks.ts';
import type { Logger } from '../logger.ts';
import type { Asides, Objection } from './asides.ts';
import { Attempt } from './attempt.ts';
import type { Outbox } from './delivery.ts';
import type { Item, Lane, Lanes } from './lanes.ts';
import type { InboxOptions } from './options.ts';
import { Outcomes } from './outcomes.ts';
import { GAVE_UP, PatientJournal } from './patient-journal.ts';
import { NO_HANDLER, type Problems } from './problems.ts';
import { SetAside } from './set-aside.ts';

/** What a dispatcher works with. */
export interface DispatcherParts {
  options: Required<InboxOptions>;
  hooks: Hooks;
  journal: Journal;
  /** The plugin that the journal is of. */
  journalProvider?: string | undefined;
  logger: Logger;
  outbox: Outbox;
  problems: Problems;
  lanes: Lanes;
  asides: Asides;
  /** A handler's deadline unless it names its own, in milliseconds. */
  messageTimeoutMs: number;
  /** Whether anybody listens: events are not made for nobody. */
  observed(): boolean;
  emit(event: InboxEvent): void;
  /** The item is done or dead and leaves the inbox. */
  finished(item: Item): void;
}

/**
 * Hands the messages of many lanes to the handlers: lanes in turn, one message of a lane at a time, a bounded number of
 * handlers at once. Each message goes journal `begin` → handlers → journal `done` or `dead`, or `failed` and again later.
 */
export class Dispatcher {
  /** Messages whose handlers are running. */
  inFlight = 0;
  readonly #parts: DispatcherParts;
  readonly #journal: PatientJournal;
  readonly #setAside: SetAside;
  readonly #outcomes: Outcomes;
  readonly #outbox: Outbox;
  readonly #givenUp = new AbortController();
  /** Items between `begin` and their last step, each with its attempt once the journal has it. */
  readonly #working = new Set<Item>();
  readonly #retries = new Set<NodeJS.Timeout>();
  /** Lanes with work and nobody at it. */
  #ready: Lane[] = [];
  /** Handlers at work or about to be. */
  #slots = 0;
  #open = false;
  #closed = false;
  #pumping = false;
  #wakeIdle: (() => void) | undefined;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#outbox = telling(parts);
    this.#outcomes = new Outcomes(parts);
    const { journal, journalProvider, problems } = parts;
    this.#journal = new PatientJournal(journal, problems, this.#givenUp.signal, journalProvider);
    this.#setAside = new SetAside({
      asides: parts.asides,
      lanes: parts.lanes,
      journal: parts.journal,
      patient: this.#journal,
      observed: parts.observed,
      emit: parts.emit,
      wake: (lane) => {
        this.add(lane);
        this.pump();
      },
      proceed: (lane) => this.#next(lane),
    });
  }

  get counts(): Outcomes['counts'] {
    return this.#outcomes.counts;
  }

  /** What is being worked on: journaled, or in the hands of handlers. */
  get working(): Item[] {
    return [...this.#working];
  }

  /** Begins once it is known which conversations were set aside before. */
  open(): void {
    const known = this.#setAside.known();
    if (isThenable(known)) void Promise.resolve(known).then((list) => this.#begin(list));
    else this.#begin(known);
  }

  /** The lane has something to do. */
  add(lane: Lane): void {
    if (lane.busy || lane.ready) return;
    lane.ready = true;
    this.#ready.push(lane);
  }

  /** Starts as much as the slots allow. */
  pump(): void {
    // Called again from inside the loop when a message ends at once: the loop goes on with it, no deeper.
    if (!this.#open || this.#pumping || this.#ready.length === 0) return;
    if (!this.#parts.hooks.handlesMessages) {
      this.#parts.problems.report(NO_HANDLER);
      return;
    }
    this.#pumping = true;
    while (this.#slots < this.#parts.options.concurrency && this.#ready.length > 0) {
      const lane = this.#ready.shift()!;
      lane.ready = false;
      lane.busy = true;
      this.#slots += 1;
      void (lane.resuming ? this.#workOnHeld(lane) : this.#work(lane.items[0]!));
    }
    this.#pumping = false;
  }

  /** Lets a conversation that is set aside go on; resolves with whether it was. Rejects when the journal cannot note it. */
  resume(conversation: string): Promise<boolean> {
    return this.#setAside.resume(conversation);
  }

  /** Starts nothing more; what is being handled goes on, retries are left to the next start. */
  close(): void {
    this.#closed = true;
    this.#open = false;
    this.#ready = [];
    for (const timer of this.#retries) clearTimeout(timer);
    this.#retries.clear();
  }

  /** Aborts the handlers that still run and stops waiting for the journal. */
  giveUp(reason: Error): void {
    this.#givenUp.abort(reason);
    for (const { attempt } of this.#working) attempt?.abandon(reason);
  }

  /** Resolves with `true` when nothing is being worked on, with `false` after `ms`. */
  async idle(ms: number): Promise<boolean> {
    if (this.#working.size > 0) {
      const idle = new Promise<void>((resolve) => {
        this.#wakeIdle = resolve;
      });
      // Running out of time is an answer here, not a failure.
      await withDeadline(idle, ms, () => undefined).catch(() => {});
    }
    return this.#working.size === 0;
  }

  /** One attempt at one message. Never rejects. The slot is given back as soon as no handler runs any more. */
  async #work(item: Item): Promise<void> {
    const { hooks, messageTimeoutMs, options } = this.#parts;
    item.attempt = undefined;
    this.#working.add(item);
    const answer = this.#journal.ask(begin, item.key);
    const begun = isThenable(answer) ? await answer : answer;
    if (begun === GAVE_UP || begun.state !== 'begun') {
      this.#freeSlot();
      if (begun === GAVE_UP) return this.#rest(item);
      if (this.#parts.observed()) this.#parts.emit({ type: 'known', message: item.message });
      return this.#finish(item);
    }
    const { attempt: number, failures } = begun;
    const ended = item.unusable ?? endedBefore(number, failures, options.maxAttempts);
    if (ended) {
      this.#freeSlot();
      return this.#bury(item, ended, number - 1);
    }
    if (!this.#open) {
      // Closed while the journal wrote: a handler that has not begun does not hold up a stop.
      this.#freeSlot();
      return this.#release(item);
    }
    const objection = this.#setAside.keepsBack(item);
    if (objection !== false) {
      this.#freeSlot();
      return this.#keepBack(item, objection === true ? undefined : objection);
    }
    // The clock is for observers alone.
    let began: number | undefined;
    if (this.#parts.observed()) {
      this.#parts.emit({ type: 'message', message: item.message, attempt: number, source: item.source });
      began = performance.now();
    }
    const attempt = new Attempt(item, number, this.#outbox, messageTimeoutMs);
    item.attempt = attempt;
    this.inFlight += 1;
    await hooks.run('message', undefined, attempt);
    this.inFlight -= 1;
    this.#freeSlot();
    if (attempt.cutShort || attempt.unhandled) return this.#release(item);
    if (attempt.failures.length > 0 && !attempt.dropped)
      return this.#failed(item, number, failures + 1, attempt);
    const stored = this.#journal.ask(done, item.key);
    if ((isThenable(stored) ? await stored : stored) === GAVE_UP) return this.#rest(item);
    this.#outcomes.done(item.message, number, began, attempt.dropped);
    this.#finish(item);
  }

  async #failed(item: Item, attempt: number, failures: number, outcome: Attempt): Promise<void> {
    const { options } = this.#parts;
    const { plugin, error, permanent } = outcome.decisive!;
    const { message } = item;
    const reason = `${plugin}: ${errorText(error)}`;
    if (permanent || failures >= options.maxAttempts) {
      this.#outcomes.failed(message, attempt, outcome);
      return this.#bury(item, reason, attempt);
    }
    if ((await this.#journal.ask((journal, key) => journal.failed(key, reason), item.key)) === GAVE_UP)
      return this.#rest(item);
    const asked = Math.max(...outcome.failures.map((failure) => pauseAskedBy(failure.error)));
    const retryInMs = Math.round(
      Math.max(backoff(failures - 1, options.retryBaseMs, options.retryMaxMs), asked),
    );
    this.#outcomes.failed(message, attempt, outcome, retryInMs);
    this.#rest(item);
    if (!this.#open) return;
    // The lane stays busy meanwhile: what comes after this message waits for it.
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      this.#next(item.lane);
    }, retryInMs);
    this.#retries.add(timer);
  }

  /** Ends a message as a dead letter, kept whole in the journal. */
  async #bury(item: Item, reason: string, attempts: number): Promise<void> {
    const buried = await this.#journal.ask(
      (journal, key) => journal.dead(key, item.message, reason),
      item.key,
    );
    if (buried === GAVE_UP) return this.#rest(item);
    this.#outcomes.dead(item.message, attempts, reason);
    this.#finish(item);
  }

  #begin(known: readonly AsideConversation[] | typeof GAVE_UP): void {
    if (known === GAVE_UP || this.#closed) return;
    this.#open = true;
    this.#setAside.restore(known);
    this.pump();
  }

  async #keepBack(item: Item, objection: Objection | undefined): Promise<void> {
    const kept = await this.#setAside.keep(item, objection);
    if (kept === GAVE_UP) return this.#rest(item);
    if (kept === 'free') return this.#release(item);
    if (kept === 'held') return this.#finish(item);
    // Unread at the backend: its lane stays busy, and takes as much of the inbox as a lane may.
    await this.#uncount(item);
    this.#rest(item);
    // Somebody may have let it go on meanwhile.
    if (!this.#setAside.park(item.lane)) this.#next(item.lane);
  }

  /** The next message that the journal holds, or the end of its being set aside. */
  async #workOnHeld(lane: Lane): Promise<void> {
    const held = await this.#setAside.next(lane);
    if (held !== GAVE_UP && held !== undefined && this.#open)
      return this.#work(this.#parts.lanes.hold(lane, held));
    this.#freeSlot();
    if (held === GAVE_UP || !this.#open) return;
    this.#setAside.ended(lane);
    this.#next(lane);
  }

  /**
   * No handler failed it, and yet it is not handled: the attempt does not count. After a stop the message comes again from the
   * backend; before one it waits for a handler.
   */
  async #release(item: Item): Promise<void> {
    await this.#uncount(item);
    this.#rest(item);
    this.#next(item.lane);
  }

  async #uncount(item: Item): Promise<void> {
    try {
      await this.#parts.journal.release(item.key);
    } catch (error) {
      // The attempt stays counted; nothing else follows from it.
      this.#parts.logger.warn('could not release an attempt', {
        messageId: item.message.id,
        error: errorText(error),
      });
    }
  }

  #finish(item: Item): void {
    this.#rest(item);
    this.#parts.finished(item);
    this.#next(item.lane);
  }

  /** Nobody works on the item any more, finished or not. */
  #rest(item: Item): void {
    this.#working.delete(item);
    if (this.#working.size === 0) this.#wakeIdle?.();
  }

  #next(lane: Lane): void {
    lane.busy = false;
    if (!this.#open) return;
    if (lane.items.length > 0 || lane.resuming) this.add(lane);
    this.pump();
  }

  #freeSlot(): void {
    this.#slots -= 1;
    this.pump();
  }
}

/** Sends, counts the answer, and tells the observers. */
function telling({ asides, emit, observed, outbox }: DispatcherParts): Outbox {
  return async (item, to, content, options) => {
    const sent = await outbox(item, to, content, options);
    if (!item.answered) asides.answered(item);
    item.answered = true;
    if (observed()) emit({ type: 'sent', message: item.message, to, content, messageId: sent.messageId });
    return sent;
  };
}

/** Asked for every message: made once, because a closure for each is not free. */
const begin = (journal: Journal, key: string) => journal.begin(key);
const done = (journal: Journal, key: string) => journal.done(key);

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
