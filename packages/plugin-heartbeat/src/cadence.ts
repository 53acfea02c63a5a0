/** The first beat comes this soon, so that an agent that started is soon online. */
const FIRST_WITHIN_MS = 2_000;
/** Up to a tenth sooner, never later: with two beats in three lost, what is left must still be three intervals apart at most. */
const JITTER = 0.1;

/** When beats are due, on the monotonic clock, so that agents which started together, or were cut off together, drift apart. */
export class Cadence {
  readonly #intervalMs: number;
  readonly #random: () => number;
  #dueAt = 0;
  #inPhase = false;

  constructor(intervalMs: number, random: () => number) {
    this.#intervalMs = intervalMs;
    this.#random = random;
  }

  /** When the next beat is due, in milliseconds of the clock that {@link begin} was given. */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** The first beat is due soon; the second at a random moment of the interval after it. */
  begin(now: number): void {
    this.#dueAt = now + this.#random() * Math.min(this.#intervalMs, FIRST_WITHIN_MS);
    this.#inPhase = false;
  }

  /** The beat that was due is told. Where others were missed meanwhile, the phase is chosen anew. */
  advance(now: number): void {
    const next = this.#dueAt + this.#intervalMs * (1 - JITTER * this.#random());
    this.#dueAt = this.#inPhase && next > now ? next : now + this.#intervalMs * this.#random();
    this.#inPhase = true;
  }
}
