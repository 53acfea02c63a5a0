import { backoff, CleoError } from '@cleocode/contracts';

/** Tries in all. */
const TRIES = 3;
const BASE_MS = 200;
const CAP_MS = 5_000;

export interface Attempted {
  /** Tries so far. */
  tries: number;
  /** A second time changes nothing that the first may have done. */
  repeatable: boolean;
  /** What the caller still waits, in milliseconds. */
  remainingMs: number;
}

/**
 * Milliseconds to wait before a failed request is sent again; `undefined` when it must not be: it may have been done, it
 * would fail again, or the backend asks for more time than is left.
 */
export function retryDelay(
  error: unknown,
  { tries, repeatable, remainingMs }: Attempted,
  random: () => number = Math.random,
): number | undefined {
  if (!CleoError.is(error) || !error.retryable || tries >= TRIES) return undefined;
  if (!repeatable && !wasNotDone(error)) return undefined;
  // Never earlier than the backend asks, and not everyone at that moment.
  const asked = (error.retryAfterMs ?? 0) * (1 + random() / 10);
  const delay = Math.max(backoff(tries - 1, BASE_MS, CAP_MS, random), asked);
  return delay < remainingMs ? delay : undefined;
}

/** The backend never got the request, or turned it away unread. */
function wasNotDone({ code, details }: CleoError): boolean {
  return code === 'E_RATE_LIMIT' || details?.phase === 'connect';
}
