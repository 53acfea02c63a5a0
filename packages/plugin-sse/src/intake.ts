import {
  asTransportError,
  type CleoError,
  type Inbox,
  type Problem,
  problemOf,
  type Realtime,
  type RealtimeState,
  watchForStalls,
} from '@cleocode/contracts';
import { type CaughtUp, SOURCE } from './catch-up.ts';
import { CatchUpLoop } from './catch-up-loop.ts';
import { stoodStill, unreadable } from './errors.ts';
import type { Arrival } from './gate.ts';
import { GatedStream, type GatedStreamListener } from './gated-stream.ts';
import { ResumePoint, type ResumeStore } from './resume-point.ts';
import { StateListeners } from './state-listeners.ts';
import type { StreamTarget } from './stream.ts';

/** Hears of changes of state: what began to fail, what works again. */
export interface StreamReporter {
  /** There is no stream, or what it missed cannot be fetched. Not called again while it goes on failing alike. */
  failing(error: CleoError): void;
  /** The stream is live again. */
  recovered(): void;
  /** The server sends something that cannot be read; once per connection. */
  unreadable(error: CleoError): void;
}

export interface StreamIntakeOptions {
  /** Asked when it starts. */
  target(): StreamTarget;
  /** Where the messages go. */
  inbox: Pick<Inbox, 'receive'>;
  /** Hands everything unread to the inbox. */
  catchUp(signal: AbortSignal): Promise<CaughtUp>;
  /** Keeps the id to go on after beyond the process. */
  resume?: ResumeStore | undefined;
  /** How often to catch up while the stream is not live, in milliseconds. Default: somebody else polls. */
  pollMs?: number | undefined;
  /** This process standing still for longer than this, in milliseconds, ends its streams. Default 5000. */
  stallMs?: number | undefined;
  reporter: StreamReporter;
  /** Chance, from 0 to 1; for tests. */
  random?: (() => number) | undefined;
}

/** How the stream does. */
export interface StreamStatus {
  state: RealtimeState;
  /** Milliseconds since the last bytes; absent before the first. */
  lastReceiveAgeMs?: number;
  /** Why the stream is not live; absent while it is. */
  problem?: Problem;
  /** Milliseconds until the next connection is attempted at the earliest; absent while one is there. */
  retryInMs?: number;
  /** Messages the stream has brought. */
  received: number;
  /** Events that could not be read. What they tell was fetched. */
  unreadable: number;
}

/**
 * Brings an agent's messages to an inbox as they are sent. It is `live` only while bytes keep coming and everything from before
 * was fetched. A new key gets a new stream, and the old one goes when that is live. It acks nothing: that is the inbox's.
 */
export class StreamIntake implements Realtime {
  readonly #options: StreamIntakeOptions;
  readonly #listeners = new StateListeners();
  readonly #resume: ResumePoint;
  readonly #catchUps: CatchUpLoop;
  #state: RealtimeState = 'connecting';
  #target: StreamTarget | undefined;
  #current: GatedStream | undefined;
  /** Is to take over from the current one, once it has caught up. */
  #next: GatedStream | undefined;
  readonly #ending = new Set<Promise<void>>();
  #aliveAt: number | undefined;
  #retryAt: number | undefined;
  #problem: CleoError | undefined;
  /** The inbox turned something away: an id beyond it is not to be gone on after. */
  #turnedAway = false;
  #received = 0;
  #unreadable = 0;

  constructor(options: StreamIntakeOptions) {
    const { pollMs = Number.POSITIVE_INFINITY } = options;
    this.#options = options;
    this.#resume = new ResumePoint(options.resume);
    this.#catchUps = new CatchUpLoop({
      catchUp: options.catchUp,
      idleMs: () => (this.#state === 'live' ? Number.POSITIVE_INFINITY : pollMs),
      onBegin: () => {
        for (const stream of this.#streams) stream.catchUpBegins();
      },
      onEnd: (result) => this.#onCaughtUp(result),
      onFail: (error) => {
        this.#fail(asTransportError(error, 'catching up with the stream'));
        this.#update();
      },
    });
  }

  get state(): RealtimeState {
    return this.#state;
  }

  get lastReceiveAgeMs(): number | undefined {
    return this.#aliveAt === undefined ? undefined : performance.now() - this.#aliveAt;
  }

  get problem(): Problem | undefined {
    return this.#problem && problemOf(this.#problem);
  }

  onChange(listener: (state: RealtimeState) => void): () => void {
    return this.#listeners.add(listener);
  }

  status(): StreamStatus {
    const age = this.lastReceiveAgeMs;
    return {
      state: this.#state,
      ...(age !== undefined && { lastReceiveAgeMs: age }),
      ...(this.#problem && { problem: problemOf(this.#problem) }),
      ...(this.#retryAt !== undefined && { retryInMs: Math.max(0, this.#retryAt - performance.now()) }),
      received: this.#received,
      unreadable: this.#unreadable,
    };
  }

  /** Fetches what is unread, at once. */
  look(): void {
    this.#catchUps.ask(true);
  }

  /** Works until `signal` aborts, then resolves once nothing of it is left. Call it once at a time. */
  async run(signal: AbortSignal): Promise<void> {
    const target = this.#options.target();
    this.#target = target;
    await this.#resume.load();
    const { stallMs: thresholdMs } = this.#options;
    const unlisten = [
      target.identity.onChange(() => this.#onKeyChange()),
      watchForStalls(thresholdMs === undefined ? {} : { thresholdMs }, ({ gapMs }) => this.#onStall(gapMs)),
    ];
    this.#setState('connecting');
    if (this.#options.pollMs !== undefined) this.look();
    if (!signal.aborted) this.#current = this.#open();
    await this.#catchUps.run(signal);
    for (const stop of unlisten) stop();
    for (const stream of this.#streams) this.#drop(stream);
    this.#current = this.#next = undefined;
    this.#setState('fallback');
    await Promise.all(this.#ending);
    await this.#resume.close();
  }

  get #streams(): GatedStream[] {
    return [this.#current, this.#next].filter((stream) => stream !== undefined);
  }

  #open(): GatedStream {
    const listener: GatedStreamListener = {
      resumeId: () => this.#resume.id,
      onMessages: (arrivals) => this.#deliver(arrivals),
      onUp: () => this.#onUp(own),
      onBehind: () => this.#catchUps.ask(),
      onUnreadable: (fault, first) => {
        this.#unreadable += 1;
        if (first) this.#options.reporter.unreadable(unreadable(fault));
      },
      onAlive: () => {
        this.#aliveAt = performance.now();
      },
      onQuiet: () => this.#update(),
      onDown: (error, retryInMs) => this.#onDown(own, error, retryInMs),
    };
    const own = new GatedStream(this.#target!, listener, this.#options.random);
    return own;
  }

  #drop(stream: GatedStream): void {
    const ended: Promise<void> = stream.stop().finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  #onUp(stream: GatedStream): void {
    this.#catchUps.ask(true);
    if (stream === this.#current) this.#retryAt = undefined;
    // The key may have changed while it connected.
    this.#onKeyChange();
  }

  #onDown(stream: GatedStream, error: CleoError, retryInMs: number): void {
    this.#fail(error);
    if (stream !== this.#current) return;
    if (this.#next) {
      // One stream that tries again is enough.
      this.#drop(stream);
      this.#current = this.#next;
      this.#next = undefined;
    } else this.#retryAt = performance.now() + retryInMs;
    this.#update();
  }

  /** A stream that is up gets a successor with the new key; one that is not tries it when the old one was refused. */
  #onKeyChange(): void {
    for (const { stream } of this.#streams) if (!stream.up) stream.keyChanged();
    if (!this.#current?.stream.up || !this.#current.stream.outdated) return;
    if (this.#next) {
      if (!this.#next.stream.outdated) return;
      this.#drop(this.#next);
    }
    this.#next = this.#open();
  }

  /** What was agreed with the server before may not hold any more. */
  #onStall(gapMs: number): void {
    for (const { stream } of this.#streams) stream.restart(stoodStill(gapMs));
  }

  #deliver(arrivals: readonly Arrival[]): void {
    this.#received += arrivals.length;
    const messages = arrivals.map(({ message }) => message);
    if (this.#options.inbox.receive(messages, SOURCE).deferred.length > 0) this.#turnedAway = true;
    if (!this.#turnedAway) this.#resume.set(arrivals.at(-1)!.resumeId);
  }

  #onCaughtUp({ readAll, turnedAway }: CaughtUp): void {
    if (readAll) {
      // Before what is held is delivered, which may be turned away again.
      this.#turnedAway = turnedAway;
      for (const stream of this.#streams) stream.catchUpEnds();
      if (this.#next?.caughtUp) {
        this.#drop(this.#current!);
        this.#current = this.#next;
        this.#next = undefined;
      }
    } else if (turnedAway) this.#turnedAway = true;
    this.#update();
  }

  #fail(error: CleoError): void {
    const known = this.#problem?.code === error.code;
    this.#problem = error;
    if (!known) this.#options.reporter.failing(error);
  }

  #update(): void {
    const current = this.#current;
    const live = current?.caughtUp && !current.quiet && !this.#catchUps.behind;
    if (live && !this.#next) this.#recovered();
    if (live) this.#setState('live');
    else if (!current?.stream.up) this.#setState(this.#problem ? 'fallback' : 'connecting');
    else if (this.#state === 'live') this.#setState('stale');
  }

  #recovered(): void {
    if (this.#problem) this.#options.reporter.recovered();
    this.#problem = undefined;
  }

  #setState(state: RealtimeState): void {
    if (state === this.#state) return;
    this.#state = state;
    if (this.#options.pollMs !== undefined && state !== 'live') this.look();
    this.#listeners.tell(state);
  }
}
