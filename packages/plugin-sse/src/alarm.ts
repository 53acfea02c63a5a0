/** The longest a timer can wait; what is longer would fire at once. */
const LONGEST_MS = 2_147_483_647;

/** A wait that something else may cut short. */
export class Alarm {
  #rung = false;
  #wake: (() => void) | undefined;

  /** Ends the wait under way, or the next one. */
  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves after `ms` milliseconds, when rung, or when `signal` aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) await this.#sleep(Math.min(ms, LONGEST_MS), signal);
    this.#rung = false;
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end);
      this.#wake = end;
    });
  }
}
