/** Lets so many through at once, the others in the order they came. */
export class Slots {
  readonly #waiting = new Set<() => void>();
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` when its turn comes; rejects with the signal's reason when that aborts first. */
  async use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn(signal);
    try {
      return await work();
    } finally {
      const [next] = this.#waiting;
      if (next) next();
      else this.#free += 1;
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        this.#waiting.delete(mine);
        signal.removeEventListener('abort', giveUp);
        end();
      };
      const mine = () => settle(resolve);
      const giveUp = () => settle(() => reject(signal.reason));
      this.#waiting.add(mine);
      signal.addEventListener('abort', giveUp);
    });
  }
}
