/** How many callers are remembered; beyond that the one not seen for longest is forgotten. */
const MAX_CALLERS = 10_000;

export interface Admission {
  allowed: boolean;
  /** How many requests more would pass now. */
  remaining: number;
  /** Milliseconds until one request more than `remaining` would pass; 0 when nothing is counted. */
  resetMs: number;
}

interface Counter {
  /** When the current window began. */
  start: number;
  current: number;
  previous: number;
}

/**
 * Allows each caller `max` requests in any `windowMs` milliseconds. The requests of a window are held as a number, and
 * those of the window before it count for the part that the sliding window still covers: two numbers a caller, whatever
 * `max` is. A refused request does not count, so that waiting as long as told is enough.
 */
export class RateLimiter {
  readonly max: number;
  readonly windowMs: number;
  readonly #now: () => number;
  readonly #counters = new Map<string, Counter>();

  constructor(max: number, windowMs: number, now: () => number) {
    this.max = max;
    this.windowMs = windowMs;
    this.#now = now;
  }

  /** Counts a request of `caller`, if it may pass. */
  admit(caller: string): Admission {
    const now = this.#now();
    const counter = this.#counterOf(caller, now);
    const sinceStart = now - counter.start;
    const allowed = this.#remaining(counter, sinceStart) >= 1;
    if (allowed) counter.current += 1;
    const remaining = this.#remaining(counter, sinceStart);
    return { allowed, remaining, resetMs: this.#untilOneMore(counter, sinceStart, remaining) };
  }

  #counterOf(caller: string, now: number): Counter {
    let counter = this.#counters.get(caller);
    // Set again, it is the last in the order in which callers are forgotten.
    this.#counters.delete(caller);
    const passed = counter ? Math.floor((now - counter.start) / this.windowMs) : 0;
    if (!counter || passed > 1) counter = { start: now, current: 0, previous: 0 };
    else if (passed === 1)
      counter = { start: counter.start + this.windowMs, current: 0, previous: counter.current };
    this.#counters.set(caller, counter);
    if (this.#counters.size > MAX_CALLERS) this.#counters.delete(this.#counters.keys().next().value!);
    return counter;
  }

  #remaining({ current, previous }: Counter, sinceStart: number): number {
    const covered = 1 - sinceStart / this.windowMs;
    // A little less than exact, so that a caller who waited as long as told is not refused by a rounding.
    return Math.max(0, Math.floor(this.max - current - previous * covered + 1e-6));
  }

  #untilOneMore({ current, previous }: Counter, sinceStart: number, remaining: number): number {
    const room = this.max - remaining - 1;
    if (room < 0) return 0;
    if (current <= room) return Math.max(0, this.windowMs * (1 - (room - current) / previous) - sinceStart);
    return this.windowMs - sinceStart + this.windowMs * (1 - room / current);
  }
}
