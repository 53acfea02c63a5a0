import { MAX_TIMER_MS } from '@cleocode/contracts';

/** A wait that something else may cut short. For one that waits; it does not keep more than one ring. */
export class Alarm {
  /** What the next wait may take at most, if something asked for less meanwhile. */
  #atMost = MAX_TIMER_MS;
  #shorten: ((ms: number) => void) | undefined;

  /** Ends the wait under way, or the next one, at once or `ms` milliseconds from now (or from its beginning). */
  ring(ms = 0): void {
    if (this.#shorten) this.#shorten(ms);
    else this.#atMost = Math.min(this.#atMost, ms);
  }

  /** Resolves after `ms` milliseconds (24 days at most), when rung, or when `signal` aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#shorten = undefined;
        resolve();
      };
      const first = Math.min(ms, this.#atMost);
      let due = performance.now() + first;
      let timer = setTimeout(end, first);
      this.#atMost = MAX_TIMER_MS;
      this.#shorten = (within) => {
        if (performance.now() + within >= due) return;
        due = performance.now() + within;
        clearTimeout(timer);
        timer = setTimeout(end, within);
      };
      signal.addEventListener('abort', end);
      if (signal.aborted) end();
    });
  }
}
