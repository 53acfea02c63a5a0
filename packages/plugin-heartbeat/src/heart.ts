import {
  type Agent,
  asTransportError,
  type CleoError,
  isAuthError,
  type PresenceReport,
  type PresenceStatus,
  type Problem,
  pause,
  problemOf,
  type Stall,
  type Transport,
  watchForStalls,
} from '@cleocode/contracts';
import { Cadence } from './cadence.ts';
import { unsupported } from './errors.ts';
import { Hearing, type HearingSources, type Obstacle } from './hearing.ts';
import { holdAfter, retryDelay } from './retry.ts';
import { Teller } from './teller.ts';

export interface HeartOptions extends HearingSources {
  /** Connected already. */
  transport: Transport;
  /** The longest wait between two beats, in milliseconds; 0 beats never. */
  intervalMs: number;
  /** Stands in every report, so that what this process says late cannot override its successor. */
  instanceId: string;
  /** Hears of refused keys, tells of new ones. */
  agent?: Pick<Agent, 'onChange' | 'reportUnauthorized'> | undefined;
  random?: () => number;
  /** Hears once of each trouble with telling, and of a transport that cannot tell. */
  onError: (error: CleoError) => void;
  /** Telling works again, after so many failures in a row. */
  onRecovered: (failures: number) => void;
  /** The backend has taken another status than before; the problems are the reasons for `busy`. */
  onChange: (status: PresenceStatus, problems: readonly Problem[]) => void;
  onStall: (stall: Stall) => void;
}

/** What others see: what the backend took last; `unknown` before that, and when it is too old to be believed. */
export type PresenceState = PresenceStatus | 'unknown' | 'unsupported' | 'off';

/** What others see of an agent, and why. */
export interface HeartbeatStatus {
  /** Beats are being sent. */
  running: boolean;
  /** What others see; `off` when nothing is told, `unsupported` when the transport cannot. */
  state: PresenceState;
  /** Milliseconds since the backend last took a report; absent before the first. */
  lastBeatAgeMs?: number;
  /** Reports in a row that did not get through. */
  consecutiveFailures: number;
  /** What they fail with; absent while they get through. */
  lastError?: Problem;
  /** What keeps the agent from hearing now. The state is, or is about to be, `busy` while there is one. */
  problems: Problem[];
  /** The latest time this process stood still, and how long ago that ended. */
  lastStall?: Stall & { ageMs: number };
  instanceId: string;
}

/** The backend believes a report for this many intervals. */
const INTERVALS_BELIEVED = 3;
/** A request gets a third of the interval, so that it can be tried again in time. */
const LONGEST_REQUEST_MS = 10_000;
/** How often to look between two beats whether the agent still hears; and how long what was told stays, whatever is seen. */
const LONGEST_LOOK_MS = 3_000;
/** How long the last word may take in all, and what of that an aborted beat gets to be gone before it. */
const OFFLINE_WITHIN_MS = 2_000;
const SETTLE_WITHIN_MS = 500;
/** A new key is tried this soon after the old one was refused, and not sooner: the next may be refused too. */
const NEW_KEY_MS = 1_000;
const MAX_REASON_LENGTH = 200;

/** Tells the backend again and again how the agent is: `online` while it hears, `busy` and why while it does not. */
export class Heart {
  readonly #options: Required<Pick<HeartOptions, 'random'>> & HeartOptions;
  readonly #teller: Teller;
  readonly #hearing: Hearing;
  readonly #cadence: Cadence;
  readonly #lookMs: number;
  #running = false;
  #unsupported = false;
  #told: { status: PresenceStatus; at: number } | undefined;
  #failures = 0;
  #error: CleoError | undefined;
  /** After a failure: when to try again, and before when nothing may be sent whatever happens. */
  #retryAt = 0;
  #holdUntil = 0;
  #stall: (Stall & { at: number }) | undefined;
  /** A stall is over, and nothing was said since. */
  #urgent = false;
  /** Ends the wait or the request under way. */
  #interruption = new AbortController();

  constructor(options: HeartOptions) {
    const random = options.random ?? Math.random;
    this.#options = { ...options, random };
    this.#teller = new Teller(options.transport);
    this.#hearing = new Hearing(options, options.intervalMs);
    this.#cadence = new Cadence(options.intervalMs, random);
    this.#lookMs = Math.min(options.intervalMs / 10, LONGEST_LOOK_MS);
  }

  /**
   * Beats until `signal` aborts, then says `offline` and resolves, 2 s later at most. Resolves at once where there is
   * nothing to do. Call it once at a time.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, transport, agent, onError } = this.#options;
    if (intervalMs === 0) return;
    if (!this.#teller.supported) {
      this.#unsupported = true;
      return onError(unsupported(transport));
    }
    const interrupt = () => this.#interruption.abort();
    signal.addEventListener('abort', interrupt);
    const thresholdMs = stallThreshold(intervalMs * INTERVALS_BELIEVED);
    const endWatch = watchForStalls({ thresholdMs }, (stall) => this.#stalled(stall));
    const unlisten = agent?.onChange(() => this.#newKey());
    this.#running = true;
    this.#hearing.begin();
    this.#cadence.begin(performance.now());
    try {
      while (await this.#untilDue(signal)) await this.#beat(signal);
    } finally {
      signal.removeEventListener('abort', interrupt);
      endWatch();
      unlisten?.();
      await this.#sayOffline();
      this.#running = false;
    }
  }

  status(): HeartbeatStatus {
    const now = performance.now();
    const { instanceId } = this.#options;
    return {
      running: this.#running,
      state: this.#state(now),
      ...(this.#told && { lastBeatAgeMs: now - this.#told.at }),
      consecutiveFailures: this.#failures,
      ...(this.#error && { lastError: problemOf(this.#error) }),
      problems: this.#running ? this.#hearing.obstacles().map(({ problem }) => problem) : [],
      ...(this.#stall && { lastStall: { ...stallOf(this.#stall), ageMs: now - this.#stall.at } }),
      instanceId,
    };
  }

  #state(now: number): PresenceState {
    if (this.#unsupported) return 'unsupported';
    if (!this.#running && !this.#teller.spoken) return 'off';
    if (!this.#told) return 'unknown';
    const { status, at } = this.#told;
    const believed = status === 'offline' || now - at <= this.#options.intervalMs * INTERVALS_BELIEVED;
    return believed ? status : 'unknown';
  }

  /** Waits for the next beat's time, looking now and then whether it has come sooner. `false`: it never comes. */
  async #untilDue(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const waitMs = this.#dueAt() - performance.now();
      if (waitMs <= 0) return true;
      await pause(Math.min(waitMs, this.#lookMs), this.#interruptible(signal));
    }
    return false;
  }

  #dueAt(): number {
    const regular = this.#failures > 0 ? this.#retryAt : this.#cadence.dueAt;
    const soonest = this.#urgent ? 0 : Math.min(regular, this.#changeDueAt());
    return Math.max(this.#holdUntil, soonest);
  }

  /** When to tell that what was told is not so any more; never while it is. A report that failed is repeated anyway. */
  #changeDueAt(): number {
    const outdated = this.#told && this.#told.status !== statusFor(this.#hearing.obstacles());
    return outdated && this.#failures === 0 ? this.#told!.at + this.#lookMs : Number.POSITIVE_INFINITY;
  }

  /** Says how the agent is, now. Never rejects. */
  async #beat(signal: AbortSignal): Promise<void> {
    const { instanceId, intervalMs } = this.#options;
    const obstacles = this.#hearing.obstacles();
    const status = statusFor(obstacles);
    const reason = obstacles[0]?.reason.slice(0, MAX_REASON_LENGTH);
    const report: PresenceReport = { status, ...(reason && { reason }), instanceId };
    const interruption = this.#interruptible(signal);
    this.#urgent = false;
    try {
      await this.#teller.tell(report, Math.min(intervalMs / 3, LONGEST_REQUEST_MS), interruption);
    } catch (error) {
      if (!interruption.aborted) this.#failed(error);
      return;
    }
    this.#took(
      status,
      obstacles.map(({ problem }) => problem),
    );
    const now = performance.now();
    if (now >= this.#cadence.dueAt) this.#cadence.advance(now);
  }

  /** The last word. Tried again while there is time, unless the backend was not to be reached before. */
  async #sayOffline(): Promise<void> {
    if (!this.#teller.spoken || performance.now() < this.#holdUntil) return;
    const { instanceId, random } = this.#options;
    const until = performance.now() + OFFLINE_WITHIN_MS;
    const once = this.#failures > 0;
    // A beat that was aborted may still be on its way, and must not come after the last word.
    await this.#teller.settled(SETTLE_WITHIN_MS);
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#teller.tell({ status: 'offline', instanceId }, until - performance.now());
        return this.#took('offline', []);
      } catch (error) {
        this.#failed(error);
        const next = Math.max(
          performance.now() + retryDelay(attempt, OFFLINE_WITHIN_MS, random),
          this.#holdUntil,
        );
        if (once || next >= until) return;
        await pause(next - performance.now(), new AbortController().signal);
      }
    }
  }

  #took(status: PresenceStatus, problems: readonly Problem[]): void {
    const failures = this.#failures;
    const before = this.#told?.status;
    this.#told = { status, at: performance.now() };
    this.#failures = 0;
    this.#error = undefined;
    if (failures > 0) this.#options.onRecovered(failures);
    if (status !== before) this.#options.onChange(status, problems);
  }

  #failed(thrown: unknown): void {
    const { transport, intervalMs, agent, random, onError } = this.#options;
    const error = asTransportError(thrown, transport.name);
    const now = performance.now();
    const known = this.#error?.code === error.code;
    this.#retryAt = now + retryDelay(this.#failures, intervalMs, random);
    this.#holdUntil = now + holdAfter(error, random);
    this.#failures += 1;
    this.#error = error;
    if (isAuthError(error)) agent?.reportUnauthorized(error);
    if (!known) onError(error);
  }

  #newKey(): void {
    if (!isAuthError(this.#error)) return;
    this.#retryAt = performance.now() + NEW_KEY_MS;
    this.#holdUntil = this.#retryAt;
  }

  #stalled(stall: Stall): void {
    this.#stall = { ...stall, at: performance.now() };
    if (stall.certain) this.#hearing.mistrust(stall.gapMs);
    this.#urgent = true;
    this.#interruption.abort();
    this.#options.onStall(stall);
  }

  /** Aborts at the next stall, and with `signal`. */
  #interruptible(signal: AbortSignal): AbortSignal {
    if (this.#interruption.signal.aborted && !signal.aborted) this.#interruption = new AbortController();
    return this.#interruption.signal;
  }
}

function statusFor(obstacles: readonly Obstacle[]): PresenceStatus {
  return obstacles.length > 0 ? 'busy' : 'online';
}

/** A quarter of what the backend waits for, within what can be told from a busy machine. */
function stallThreshold(believedMs: number): number {
  return Math.max(1_000, Math.min(5_000, believedMs / 4));
}

function stallOf({ gapMs, certain }: Stall): Stall {
  return { gapMs, certain };
}
