import type { HookEntry } from './hooks.ts';

/** How often a plugin's message handlers were called, and how long a call took. */
export interface MessageFigures {
  /** Calls of its handlers: each retry is one more. */
  count: number;
  /** Calls that failed or did not settle in time; absent while none has. */
  failed?: number;
  /** Milliseconds from a call until it settled, on average; absent before the first has. */
  meanMs?: number;
}

/** A clock costs as much as a fast handler: after so many calls only some are timed. */
const EACH_UNTIL = 128;
const THEN_EVERY = 16;

/** Counts the calls of one plugin's message handlers, and times some of them. */
export class Figures {
  #count = 0;
  #failed = 0;
  #timed = 0;
  #ms = 0;

  get messages(): MessageFigures {
    return {
      count: this.#count,
      ...(this.#failed > 0 && { failed: this.#failed }),
      ...(this.#timed > 0 && { meanMs: this.#ms / this.#timed }),
    };
  }

  /** A call has failed, as the inbox sees it: also one that is still under way when its time is over. */
  failed(): void {
    this.#failed += 1;
  }

  /** The same handler, observed. It is called once for each call, and what it answers is handed on as it is. */
  observing(handler: HookEntry['handler']): HookEntry['handler'] {
    return (delivery) => {
      const nth = this.#count++;
      if (nth >= EACH_UNTIL && nth % THEN_EVERY !== 0) return handler(delivery);
      const weight = nth < EACH_UNTIL ? 1 : THEN_EVERY;
      const started = performance.now();
      let outcome: unknown;
      try {
        outcome = handler(delivery);
      } catch (error) {
        this.#add(started, weight);
        throw error;
      }
      // Of a thenable that is none of the language's promises `then` may do the work: that is for the inbox alone to call.
      if (outcome instanceof Promise) {
        const settled = () => this.#add(started, weight);
        outcome.then(settled, settled);
      } else this.#add(started, weight);
      return outcome;
    };
  }

  #add(started: number, weight: number): void {
    this.#ms += (performance.now() - started) * weight;
    this.#timed += weight;
  }
}
