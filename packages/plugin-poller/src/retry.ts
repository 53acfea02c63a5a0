import { backoff, CleoError, isAuthError } from '@cleocode/contracts';

const BASE_MS = 1_000;
/** With jitter, an agent hears again within this time of its backend's return, and asks a dead one twice a minute. */
const CAP_MS = 30_000;
/** The key will not get better by asking: three requests in the first ten seconds, then one in thirty. */
const REFUSED_KEY_MS = [2_000, 6_000, 30_000] as const;
/** A longer Retry-After is taken for a mistake: nothing may silence an agent for good. */
const RETRY_AFTER_CAP_MS = 15 * 60_000;

/**
 * Milliseconds to wait after a failure, the `failures`-th in a row (counted from 0). Exponential, jittered after the cap
 * so that a fleet does not return in step; never earlier than the backend asked.
 */
export function retryDelay(error: unknown, failures: number, random: () => number = Math.random): number {
  const asked = CleoError.is(error) ? Math.min(error.retryAfterMs ?? 0, RETRY_AFTER_CAP_MS) : 0;
  // The backend was not even asked: the transport has its own patience, and two of them add up.
  if (asked > 0 && (error as CleoError).details?.local === true) return asked * (1 + random() / 10);
  return Math.max(ownDelay(error, failures, random), asked * (1 + random() / 10));
}

/** How much longer than meant a {@link jittered} wait may be, as a factor. */
export const LONGEST_WAIT = 1.2;

/** `ms` give or take a fifth, so that agents started together drift apart. */
export function jittered(ms: number, random: () => number = Math.random): number {
  return ms * (0.8 + random() * (LONGEST_WAIT - 0.8));
}

function ownDelay(error: unknown, failures: number, random: () => number): number {
  if (isAuthError(error))
    return REFUSED_KEY_MS[Math.min(failures, REFUSED_KEY_MS.length - 1)]! * (1 + random() / 10);
  return backoff(failures, BASE_MS, CAP_MS, random);
}
