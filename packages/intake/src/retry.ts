import { backoff, CleoError, isAuthError, pauseAskedBy } from '@cleocode/contracts';

const BASE_MS = 1_000;
/** With jitter, an agent hears again within this time of its backend's return, and asks a dead one twice a minute. */
const CAP_MS = 30_000;
/** Three requests in the first ten seconds, then one in thirty. */
const REFUSED_KEY_MS = [2_000, 6_000, 30_000] as const;

/**
 * Milliseconds to wait after a failure, the `failures`-th in a row (counted from 0): 0.5 to 1 s, doubling to 15 to 30 s, with
 * jitter after the cap so that a fleet does not return in step; never earlier than the backend asked. A refused key waits as
 * {@link refusedKeyDelay} says.
 */
export function retryDelay(error: unknown, failures: number, random: () => number = Math.random): number {
  const asked = pauseAskedBy(error) * (1 + random() / 10);
  // The transport has its own patience, and two of them add up.
  if (asked > 0 && isUnasked(error)) return asked;
  const own = isAuthError(error)
    ? refusedKeyDelay(failures, random)
    : backoff(failures, BASE_MS, CAP_MS, random);
  return Math.max(own, asked);
}

/** Whether the transport refused by itself and the backend was not even asked: a pause it names is no word of the backend. */
export function isUnasked(error: unknown): boolean {
  return CleoError.is(error) && error.details?.local === true;
}

/** Milliseconds to wait after a key was refused, the `refusals`-th time in a row (counted from 0): it will not get better by asking. */
export function refusedKeyDelay(refusals: number, random: () => number = Math.random): number {
  return REFUSED_KEY_MS[Math.min(refusals, REFUSED_KEY_MS.length - 1)]! * (1 + random() / 10);
}
