import { errorText, type RealtimeState } from '@cleocode/contracts';

type Listener = (state: RealtimeState) => void;

/** Those who hear of each change of state. One that throws harms nobody: it becomes a warning of the process. */
export class StateListeners {
  readonly #listeners = new Set<Listener>();

  /** Returns the unsubscribe function. */
  add(listener: Listener): () => void {
    // Its own identity, so that one function added twice is called twice.
    const own: Listener = (state) => listener(state);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  tell(state: RealtimeState): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(state);
      } catch (error) {
        process.emitWarning(error instanceof Error ? error : errorText(error));
      }
    }
  }
}
