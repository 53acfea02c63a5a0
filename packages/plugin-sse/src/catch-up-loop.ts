import { backoff, pauseAskedBy } from '@cleocode/contracts';
import { Alarm, isUnasked, retryDelay } from '@cleocode/intake';
import type { CaughtUp } from './catch-up.ts';

export interface CatchUpLoopOptions {
  /** One catch-up. */
  catchUp(signal: AbortSignal): Promise<CaughtUp>;
  /** Milliseconds between two of them while nobody asks; asked anew after each. */
  idleMs(): number;
  onBegin(): void;
  onEnd(result: CaughtUp): void;
  onFail(error: unknown): void;
}

/** From the beginning of one that was asked for to the beginning of the next, however often they are. */
const SPACING_MS = 1_000;
const RETRY_CAP_MS = 30_000;

/** Runs one catch-up at a time: soon when it is asked for, again after a while when it did not get to the end. */
export class CatchUpLoop {
  readonly #options: CatchUpLoopOptions;
  readonly #alarm = new Alarm();
  #wanted = false;
  #urgent = false;
  #failures = 0;
  #begunAt = 0;
  /** When the next may begin, and when even an urgent one may, by the monotonic clock. */
  #earliest = 0;
  #floor = 0;

  constructor(options: CatchUpLoopOptions) {
    this.#options = options;
  }

  /** The latest did not get to the end. */
  get behind(): boolean {
    return this.#failures > 0;
  }

  /** Wants one that begins after now; `urgent`: at once, unless the backend asked for a pause. */
  ask(urgent = false): void {
    this.#wanted = true;
    this.#urgent ||= urgent;
    if (urgent) this.#earliest = this.#floor;
    this.#alarm.ring();
  }

  /** Works until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const wait = this.#dueAt() - performance.now();
      if (wait > 0) await this.#alarm.wait(wait, signal);
      else await this.#once(signal);
    }
  }

  #dueAt(): number {
    return Math.max(this.#earliest, this.#wanted ? 0 : this.#begunAt + this.#options.idleMs());
  }

  async #once(signal: AbortSignal): Promise<void> {
    const { catchUp, onBegin, onEnd, onFail } = this.#options;
    this.#begunAt = performance.now();
    if (!this.#urgent) this.#earliest = this.#begunAt + SPACING_MS;
    this.#wanted = this.#urgent = false;
    onBegin();
    try {
      const result = await catchUp(signal);
      if (signal.aborted) return;
      if (result.readAll) this.#failures = 0;
      else this.#again(backoff(this.#failures, SPACING_MS, RETRY_CAP_MS), 0);
      onEnd(result);
    } catch (error) {
      if (signal.aborted) return;
      this.#again(retryDelay(error, this.#failures), isUnasked(error) ? 0 : pauseAskedBy(error));
      onFail(error);
    }
  }

  #again(waitMs: number, askedMs: number): void {
    const now = performance.now();
    this.#wanted = true;
    this.#floor = now + askedMs;
    this.#earliest = now + waitMs;
    this.#failures += 1;
  }
}
