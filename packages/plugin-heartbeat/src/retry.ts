import { backoff, type CleoError, isAuthError, pauseAskedBy } from '@cleocode/contracts';

/** Several retries fit in what the backend waits for before it takes the agent for gone. */
const BASE_MS = 250;
/** A refused key will not get better by asking. */
const REFUSED_KEY_MS = 30_000;

/** Milliseconds to wait after a failure, the `failures`-th in a row (counted from 0); never more than `capMs`. */
export function retryDelay(failures: number, capMs: number, random: () => number): number {
  return backoff(failures, BASE_MS, capMs, random);
}

/** Milliseconds before which nothing at all may be sent after this error: what the backend asked for, or 30 s for a refused key. */
export function holdAfter(error: CleoError, random: () => number): number {
  return Math.max(pauseAskedBy(error), isAuthError(error) ? REFUSED_KEY_MS : 0) * (1 + random() / 10);
}
