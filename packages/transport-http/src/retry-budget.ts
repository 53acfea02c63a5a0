const SHARE = 0.1;
const CAPACITY = 10;

/**
 * What repetitions a backend is asked to bear: one for each ten requests, and ten at once. In trouble it gets hardly more
 * requests than it would without any.
 */
export class RetryBudget {
  #tokens = CAPACITY;

  /** A request was sent for the first time. */
  earn(): void {
    this.#tokens = Math.min(CAPACITY, this.#tokens + SHARE);
  }

  /** Whether one may be sent again; counts it. */
  spend(): boolean {
    // Tenths do not add up to a whole one exactly.
    if (this.#tokens < 1 - 1e-6) return false;
    this.#tokens -= 1;
    return true;
  }
}
