import { CleoError, errorText } from './errors.ts';
import { type CallBounds, callWithin } from './timing.ts';
import type { Transport } from './transport.ts';

/**
 * One call of a transport, within bounds: a transport that never answers must not wedge its caller. Rejects with the
 * transport's error, with `E_TRANSPORT_TIMEOUT`, or with the reason of `bounds.signal`.
 */
export function callTransport<T>(
  { name }: Pick<Transport, 'name'>,
  method: keyof Transport,
  bounds: CallBounds,
  work: (signal: AbortSignal) => T | PromiseLike<T>,
): Promise<T> {
  const ms = Math.round(bounds.timeoutMs);
  const timedOut = () =>
    new CleoError('E_TRANSPORT_TIMEOUT', `${name}: ${method} did not answer within ${ms} ms`, {
      hint: 'Check that the backend is reachable, or give it more time.',
      retryable: true,
    });
  return callWithin(bounds, timedOut, work);
}

/** Whatever a transport threw, as an error with a code: `E_TRANSPORT_FAILED` where it has none. `what` failed with it. */
export function asTransportError(error: unknown, what: string): CleoError {
  if (CleoError.is(error)) return error;
  return new CleoError('E_TRANSPORT_FAILED', `${what}: ${errorText(error)}`, {
    retryable: true,
    cause: error,
  });
}
