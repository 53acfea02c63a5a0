import { WireError } from '@cleocode/contracts';
import { askedMs, type Headers, rateLimit } from './hints.ts';

/** Reading may wait for its turn; what tells others (a send, an ack, a heartbeat) goes first. */
export type Use = 'read' | 'write';

const RESERVE_SHARE = 0.1;
const RESERVE_LEAST = 2;
const LEAST_MS = 100;

/**
 * One agent's share of the backend, as the answers tell it. Near the end of it reading is refused here, without asking, so
 * that something is left to send, ack and stay online with; at the end nothing is sent until the backend counts anew.
 */
export class RateWindow {
  readonly #now: () => number;
  /** As told; else the most that was ever left, which is about as many. */
  #limit = 0;
  /** Unknown before the first answer. */
  #left: number | undefined;
  #resetAt = 0;
  /** Asked and not counted in what the last answer told. */
  #underWay = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Counts a request. Call what it returns once, with the answer if there was one. Throws `E_RATE_LIMIT` when the request
   * must not be sent now.
   */
  begin(use: Use): (answer?: { status: number; headers: Headers }) => void {
    if (!this.#allows(use)) throw limited(Math.max(LEAST_MS, this.#resetAt - this.#now()), use);
    this.#underWay += 1;
    return (answer) => {
      this.#underWay -= 1;
      if (answer) this.#observe(answer);
    };
  }

  #allows(use: Use): boolean {
    if (this.#left === undefined) return true;
    if (this.#left - this.#underWay > (use === 'read' ? this.#reserve : 0)) return true;
    // At its reset a backend allows everything again, or one request more: one read finds out which.
    return this.#now() >= this.#resetAt && (use === 'write' || this.#underWay === 0);
  }

  get #reserve(): number {
    const share = Math.max(RESERVE_LEAST, Math.ceil(this.#limit * RESERVE_SHARE));
    return Math.min(share, Math.floor(this.#limit / 2));
  }

  #observe({ status, headers }: { status: number; headers: Headers }): void {
    // Who could not prove to be the agent is counted as someone else.
    if (status === 401) return;
    const told = rateLimit(headers);
    const refusedMs = status === 429 ? askedMs(headers) : undefined;
    if (!told && refusedMs === undefined) return;
    this.#left = status === 429 ? 0 : told!.remaining;
    this.#limit = Math.max(this.#limit, told?.limit ?? this.#left + 1);
    this.#resetAt = this.#now() + Math.max(refusedMs ?? 0, told?.resetMs ?? 0);
  }
}

function limited(waitMs: number, use: Use): WireError {
  const kept =
    use === 'read' ? 'what is left of the rate limit is kept for sending' : 'the rate limit is used up';
  return new WireError('E_RATE_LIMIT', `${kept}; the backend counts anew in ${Math.ceil(waitMs / 1_000)} s`, {
    hint: 'Nothing; it is tried again after the pause.',
    retryAfterMs: Math.ceil(waitMs),
    details: { local: true },
  });
}
