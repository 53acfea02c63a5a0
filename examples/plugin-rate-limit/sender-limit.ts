export interface SenderLimitOptions {
  /** Messages that a sender may send within the window. */
  limit: number;
  windowMs: number;
  /** Senders remembered at once. */
  maxSenders: number;
  /** Milliseconds of a clock that does not go back. Default: the one of `performance`. */
  now?: () => number;
}

/** `first`: over the limit for the first time since the sender was last let through. */
export type Verdict = 'through' | 'first' | 'over';

interface Sender {
  /** When those that were let through came, oldest first. */
  times: number[];
  isOver: boolean;
}

/** Counts what each sender sent within a sliding window. Holds at most `maxSenders` × `limit` numbers. */
export class SenderLimit {
  /** Who was let through last stands last. */
  readonly #senders = new Map<string, Sender>();
  readonly #options: Required<SenderLimitOptions>;

  constructor({ now = () => performance.now(), ...options }: SenderLimitOptions) {
    this.#options = { ...options, now };
  }

  /** Senders remembered. */
  get size(): number {
    return this.#senders.size;
  }

  take(from: string): Verdict {
    const { limit, windowMs, now } = this.#options;
    const [time, known] = [now(), this.#senders.get(from)];
    const times = known?.times.filter((earlier) => time - earlier < windowMs) ?? [];
    if (known && times.length >= limit) {
      const verdict = known.isOver ? 'over' : 'first';
      known.isOver = true;
      return verdict;
    }
    times.push(time);
    this.#senders.delete(from);
    this.#senders.set(from, { times, isOver: false });
    this.#forget(time - windowMs);
    return 'through';
  }

  /** Those who have sent nothing within the window; then, while there are too many, those let through longest ago. */
  #forget(before: number): void {
    for (const [from, { times }] of this.#senders) {
      if (times.at(-1)! > before && this.#senders.size <= this.#options.maxSenders) return;
      this.#senders.delete(from);
    }
  }
}
