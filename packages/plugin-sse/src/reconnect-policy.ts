import { backoff, CleoError, isAuthError } from '@cleocode/contracts';
import { refusedKeyDelay } from '@cleocode/intake';

const BASE_MS = 500;
const CAP_MS = 30_000;
/** What a server may set the base to. */
const LEAST_BASE_MS = 250;
const MOST_BASE_MS = 60_000;
/**
 * When a server goes, everyone loses their stream at the same moment. Up to this is added to the first, second, … wait of a stream
 * that had been there, so that they do not all come back in the same second; unless the server has given each its own wait as it
 * went. Who finds the server still away would meet those who come for the first time: the second and third have more to spread.
 */
const SPREADS_MS = [10_000, 20_000, 20_000, 10_000] as const;
/** A stream that was good for this long ends a run of failures. */
const GOOD_MS = 60_000;
/** The watchdog has waited long enough. */
const AFTER_SILENCE_MS = 500;
/** A longer wait that was asked for is taken for a mistake. */
const MOST_ASKED_MS = 60 * 60_000;

/** How long to wait before the next connection: exponential, with jitter also on the first, never less than was asked for. */
export class ReconnectPolicy {
  readonly #random: () => number;
  #baseMs = BASE_MS;
  #failures = 0;
  #refusals = 0;
  #spread = false;
  /** Waits that the server has named on the connection. */
  #named = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** A connection begins. */
  begin(): void {
    this.#named = 0;
  }

  /** What the server says in a `retry:` field: the wait that others double from. */
  setBase(ms: number): void {
    this.#named += 1;
    this.#baseMs = Math.min(MOST_BASE_MS, Math.max(LEAST_BASE_MS, ms));
  }

  /** Milliseconds to wait after a connection that ended with `error`; `goodMs`: how long it had been bringing something. */
  delay(error: CleoError, goodMs: number): number {
    const asked = Math.min(error.retryAfterMs ?? 0, MOST_ASKED_MS);
    return Math.max(asked * (1 + this.#random() / 10), this.#own(error, goodMs));
  }

  #own(error: CleoError, goodMs: number): number {
    if (isAuthError(error)) {
      this.#refusals += 1;
      return refusedKeyDelay(this.#refusals - 1, this.#random);
    }
    this.#refusals = 0;
    if (goodMs >= GOOD_MS) {
      this.#failures = 0;
      this.#spread = false;
    }
    if (goodMs > 0) this.#spread = true;
    if (CleoError.is(error, 'E_STREAM_SILENT')) return AFTER_SILENCE_MS * this.#random();
    const failures = this.#failures;
    this.#failures += 1;
    // The first wait that a server names is the same for everyone. Another one is a farewell: it has chosen it for this client,
    // so that they come back one after the other, and who came sooner would meet those that were told to.
    if (this.#named > 1)
      return (
        Math.min(Math.max(this.#baseMs, CAP_MS), this.#baseMs * 2 ** failures) * (1 + this.#random() / 2)
      );
    const spreadMs = this.#spread ? SPREADS_MS[Math.min(failures, SPREADS_MS.length - 1)]! : 0;
    const cap = Math.max(this.#baseMs, CAP_MS - spreadMs);
    return backoff(failures, this.#baseMs, cap, this.#random) + spreadMs * this.#random();
  }
}
