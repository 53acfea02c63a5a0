import { CleoError, type Transport, withDeadline } from '@cleocode/contracts';

/** What bounds a call to the outside. */
export interface Bounds {
  /** Milliseconds the call may take. */
  timeoutMs: number;
  /** Ends the call early; it then rejects with the signal's reason. */
  signal: AbortSignal;
}

/**
 * Runs `work` with a signal of its own, which aborts at the deadline or with `bounds.signal`. The promise settles then
 * even if `work` never looks at its signal; a late outcome goes to nobody.
 */
export async function callWithin<T>(
  { timeoutMs, signal }: Bounds,
  timedOut: () => CleoError,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const own = new AbortController();
  try {
    signal.throwIfAborted();
    return await withDeadline((async () => work(own.signal))(), timeoutMs, timedOut, signal);
  } catch (error) {
    own.abort(error);
    throw error;
  }
}

/** One call of a transport, within bounds: a transport that never answers must not wedge its caller. */
export function request<T>(
  transport: Transport,
  method: keyof Transport,
  bounds: Bounds,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timedOut = () =>
    new CleoError(
      'E_TRANSPORT_TIMEOUT',
      `${transport.name}: ${method} did not answer within ${bounds.timeoutMs} ms`,
      { hint: 'Check that the backend is reachable, or raise timeoutMs.', retryable: true },
    );
  return callWithin(bounds, timedOut, work);
}
