import { CleoError, type Transport } from '@cleocode/contracts';

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
export function callWithin<T>(
  bounds: Bounds,
  timedOut: () => CleoError,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { timeoutMs, signal } = bounds;
  return new Promise<T>((resolve, reject) => {
    const own = new AbortController();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    };
    const fail = (error: unknown) => {
      end();
      reject(error);
      own.abort(error);
    };
    const giveUp = () => fail(signal.reason);
    const timer = setTimeout(() => fail(timedOut()), timeoutMs);
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) return giveUp();
    new Promise<T>((settle) => settle(work(own.signal))).then((value) => {
      end();
      resolve(value);
    }, fail);
  });
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
