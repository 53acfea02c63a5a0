/** A wait that something else may cut short. */
export class Alarm {
  /** What the next wait may take at most, if something asked for less meanwhile. */
  #atMost = Number.POSITIVE_INFINITY;
  #shorten: ((ms: number) => void) | undefined;

  /** Ends the wait under way, or the next one, at once or `ms` milliseconds from now (or from its beginning). */
  ring(ms = 0): void {
    if (this.#shorten) this.#shorten(ms);
    else this.#atMost = Math.min(this.#atMost, ms);
  }

  /** Resolves after `ms` milliseconds, when rung, or when `signal` aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#shorten = undefined;
        resolve();
      };
      let due = performance.now() + Math.min(ms, this.#atMost);
      let timer = setTimeout(end, Math.min(ms, this.#atMost));
      this.#atMost = Number.POSITIVE_INFINITY;
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
