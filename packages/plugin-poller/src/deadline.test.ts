import { CleoError } from '@cleocode/contracts';
import { expect, it, vi } from 'vitest';
import { callWithin, request } from './deadline.ts';
import { RecordingTransport } from './transports.test.kit.ts';

const never = () => new Promise<never>(() => {});
const late = () => new CleoError('E_LATE', 'late');
const bounds = (timeoutMs = 20) => ({ timeoutMs, signal: new AbortController().signal });

it('gives up on work that never looks at its signal, and aborts that signal', async () => {
  let seen: AbortSignal | undefined;
  const call = callWithin(bounds(), late, (signal) => {
    seen = signal;
    return never();
  });
  await expect(call).rejects.toMatchObject({ code: 'E_LATE' });
  expect(seen?.aborted).toBe(true);
});

it('ends with the reason of the signal it was given', async () => {
  const abort = new AbortController();
  const call = callWithin({ timeoutMs: 10_000, signal: abort.signal }, late, never);
  abort.abort(new Error('stopping'));
  await expect(call).rejects.toThrow('stopping');
  await expect(callWithin({ timeoutMs: 10_000, signal: abort.signal }, late, never)).rejects.toThrow(
    'stopping',
  );
});

it('contains work that throws instead of rejecting', async () => {
  const call = callWithin(bounds(), late, () => {
    throw new Error('at once');
  });
  await expect(call).rejects.toThrow('at once');
});

it('gives a late rejection to nobody', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  const call = callWithin(
    bounds(5),
    late,
    () => new Promise((_, reject) => setTimeout(() => reject(new Error('late')), 20)),
  );
  await expect(call).rejects.toMatchObject({ code: 'E_LATE' });
  await new Promise((resolve) => setTimeout(resolve, 40));
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

it('names the transport and the method of a request that got no answer', async () => {
  const error = await request(new RecordingTransport(), 'poll', bounds(5), never).catch((thrown) => thrown);
  expect(error).toMatchObject({
    code: 'E_TRANSPORT_TIMEOUT',
    message: 'mock: poll did not answer within 5 ms',
    retryable: true,
  });
  expect(error.hint).toContain('timeoutMs');
});
