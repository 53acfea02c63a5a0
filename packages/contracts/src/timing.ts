/** The longest a timer can wait, in milliseconds; what is longer would fire at once. */
export const MAX_TIMER_MS = 2_147_483_647;

/**
 * Waits for `work` at most `ms` milliseconds, then rejects with what `timedOut` makes; or, earlier, with the reason of `signal`.
 * The late outcome of `work` goes to nobody. The timer keeps the process alive and is always cleared: a deadline that the
 * process exits before is none.
 */
export function withDeadline<T>(
  work: PromiseLike<T>,
  ms: number,
  timedOut: () => unknown,
  signal?: AbortSignal,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = () => end(() => reject(signal!.reason));
    const timer = setTimeout(() => end(() => reject(timedOut())), ms);
    signal?.addEventListener('abort', onAbort);
    work.then(
      (value) => end(() => resolve(value)),
      (error) => end(() => reject(error)),
    );
    if (signal?.aborted) onAbort();
  });
}

/** What bounds a call to the outside. */
export interface CallBounds {
  /** Milliseconds the call may take. */
  timeoutMs: number;
  /** Ends the call early; it then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` with a signal of its own, which aborts at the deadline or with `bounds.signal`. The promise settles then even if
 * `work` never looks at its signal. Work that throws instead of rejecting is contained; under a signal that has aborted it is
 * not begun.
 */
export async function callWithin<T>(
  { timeoutMs, signal }: CallBounds,
  timedOut: () => unknown,
  work: (signal: AbortSignal) => T | PromiseLike<T>,
): Promise<T> {
  const own = new AbortController();
  try {
    signal?.throwIfAborted();
    return await withDeadline((async () => work(own.signal))(), timeoutMs, timedOut, signal);
  } catch (error) {
    own.abort(error);
    throw error;
  }
}

/** Resolves after `ms` milliseconds, or at once (without rejecting) when `signal` aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}

/** Exponential backoff with full jitter after the cap: anywhere between half and the whole of `base · 2ⁿ`. */
export function backoff(
  attempt: number,
  baseMs: number,
  capMs: number,
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(capMs, baseMs * 2 ** attempt);
  return ceiling * (0.5 + random() / 2);
}

/** Whether a value can be awaited: a promise, or anything else that has `then`. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

/** Those who wait for one condition; each may give up by its own signal. */
export class Waiters {
  readonly #waiting = new Set<() => void>();

  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves at the next {@link wake}, or rejects with the reason of `signal`. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const settle = (end: () => void) => {
        this.#waiting.delete(onWake);
        signal.removeEventListener('abort', onAbort);
        end();
      };
      const onWake = () => settle(resolve);
      const onAbort = () => settle(() => reject(signal.reason));
      this.#waiting.add(onWake);
      signal.addEventListener('abort', onAbort);
    });
  }

  wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
