import { backoff, CleoError, errorText } from '@cleocode/contracts';

/** How a request ended that the breaker let through. Exactly one of them is called, once. */
export interface Pass {
  /** The backend answered, whatever it said short of a failure of its own. */
  ok(): void;
  /** `answered`: it did answer, with a failure of its own. */
  failed(error: unknown, how?: { answered: boolean }): void;
  /** It was given up on our side: it proves nothing. */
  cancelled(): void;
}

export interface Request {
  /** What it asks for has nothing to do with the failures of the others, and matters while they last. */
  bystander?: boolean;
}

const NOTHING_LEARNED: Pass = { ok() {}, failed() {}, cancelled() {} };
const FAILURES = 5;
const BASE_MS = 1_000;
const CAP_MS = 30_000;
/** Those who are held back come again one after the other: so far apart on average, and all within this. */
const APART_MS = 200;
const ALL_WITHIN_MS = 15_000;

/**
 * Keeps a backend that does not answer from being asked by everybody: after five failures in a row it lets one request
 * through each second, then each two, up to each thirty, and refuses the others at once. The first that is answered ends it.
 */
export class CircuitBreaker {
  readonly #origin: string;
  readonly #now: () => number;
  readonly #random: () => number;
  #failures = 0;
  #lastFailure: unknown;
  /** The backend is there: its latest failure was an answer. */
  #answers = false;
  /** How often in a row it was opened. */
  #opened = 0;
  #openUntil = 0;
  #probing = false;
  /** The latest try was somebody else's. */
  #knocked = false;
  /** How many knocked in vain since the latest try. */
  #heldBack = 0;
  #onRecovered: () => void = () => {};

  constructor(
    origin: string,
    now: () => number = () => performance.now(),
    random: () => number = Math.random,
  ) {
    this.#origin = origin;
    this.#now = now;
    this.#random = random;
  }

  get open(): boolean {
    return this.#opened > 0;
  }

  /** `listener` runs when the backend answers again after a failure: it may be another version of itself. */
  onRecovered(listener: () => void): void {
    this.#onRecovered = listener;
  }

  /** Throws `E_TRANSPORT_UNREACHABLE` when a request would not be let through now. */
  check({ bystander = false }: Request = {}): void {
    if (!this.open || (bystander && this.#answers)) return;
    const wait = this.#openUntil - this.#now();
    if (!this.#probing && wait <= 0) return;
    // While a probe is on its way nobody knows; the least is what a failed one would cost.
    const retryAfterMs = Math.ceil(Math.max(wait, this.#probing ? BASE_MS : 0));
    throw new CleoError(
      'E_TRANSPORT_UNREACHABLE',
      `${this.#origin} is not asked for ${retryAfterMs} ms more: ${this.#failures} requests in a row failed, the last with: ${errorText(this.#lastFailure)}`,
      {
        hint: 'Check that the backend runs and can be reached; it is asked again by itself.',
        retryable: true,
        retryAfterMs,
        details: { origin: this.#origin, circuit: 'open', local: true },
        cause: this.#lastFailure,
      },
    );
  }

  /**
   * For who asks the backend by other means: 0, and while it is open that counts as the one request; else milliseconds to wait.
   * Every other one is left to the requests themselves, as long as there are any: the other means may be what fails.
   */
  knock(): number {
    if (!this.open) return 0;
    const wait = this.#openUntil - this.#now();
    if (this.#probing || (this.#knocked && wait > -CAP_MS)) return this.#holdBack(Math.max(wait, BASE_MS));
    if (wait > 0) return this.#holdBack(wait);
    this.#knocked = true;
    this.#pause();
    return 0;
  }

  /** The backend was heard by other means: the next request is let through, unless one is on its way. */
  heard(): void {
    this.#openUntil = this.#now();
  }

  /** {@link check}, and lets a request through. */
  enter(request: Request = {}): Pass {
    this.check(request);
    if (request.bystander && this.open && this.#answers) return NOTHING_LEARNED;
    const probe = this.open;
    this.#probing ||= probe;
    this.#knocked = false;
    const end = () => {
      if (probe) this.#probing = false;
    };
    return {
      ok: () => {
        end();
        const recovered = this.#failures > 0;
        this.#failures = 0;
        this.#opened = 0;
        this.#heldBack = 0;
        if (recovered) this.#onRecovered();
      },
      failed: (error, { answered } = { answered: false }) => {
        end();
        this.#answers = answered;
        this.#failures += 1;
        this.#lastFailure = error;
        // What was on its way when it opened says nothing new.
        if (probe || (!this.open && this.#failures >= FAILURES)) this.#pause();
      },
      cancelled: end,
    };
  }

  /** A backend that is back would otherwise meet everybody at once: all agents of a process share this. */
  #holdBack(ms: number): number {
    const within = Math.min(this.#heldBack * APART_MS, ALL_WITHIN_MS);
    this.#heldBack += 1;
    return ms + within * this.#random();
  }

  #pause(): void {
    this.#heldBack = 0;
    this.#openUntil = this.#now() + backoff(this.#opened, BASE_MS, CAP_MS, this.#random);
    this.#opened += 1;
  }
}
