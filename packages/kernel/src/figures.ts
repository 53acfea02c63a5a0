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

/** To wait for a promise costs as much as a fast handler: after so many calls only some are timed until they settle. */
const EACH_UNTIL = 128;
const THEN_EVERY = 16;
/** A handler that takes this long to return keeps everything else from running, in milliseconds. */
const BLOCKING_MS = 1_000;

/** Counts the calls of one plugin's message handlers, times some of them, and notices those that block the process. */
export class Figures {
  readonly #onBlocked: (ms: number) => void;
  #count = 0;
  #failed = 0;
  #timed = 0;
  #ms = 0;

  constructor(onBlocked: (ms: number) => void = () => {}) {
    this.#onBlocked = onBlocked;
  }

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
      const began = performance.now();
      let outcome: unknown;
      try {
        outcome = handler(delivery);
      } catch (error) {
        this.#add(this.#returned(began), 1);
        throw error;
      }
      const ms = this.#returned(began);
      // Of a thenable that is none of the language's promises `then` may do the work: that is for the inbox alone to call.
      if (!(outcome instanceof Promise)) this.#add(ms, 1);
      else if (nth < EACH_UNTIL || nth % THEN_EVERY === 0) {
        const weight = nth < EACH_UNTIL ? 1 : THEN_EVERY;
        const settled = () => this.#add(performance.now() - began, weight);
        outcome.then(settled, settled);
      }
      return outcome;
    };
  }

  #returned(began: number): number {
    const ms = performance.now() - began;
    if (ms >= BLOCKING_MS) this.#onBlocked(ms);
    return ms;
  }

  #add(ms: number, weight: number): void {
    this.#ms += ms * weight;
    this.#timed += weight;
  }
}
