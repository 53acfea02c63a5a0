import { expect, it } from 'vitest';
import { CleoError } from './errors.ts';
import { asTransportError, callTransport } from './transport-call.ts';

const transport = { name: 'mock' };

it('a call of a transport gives what the transport gives', async () => {
  expect(await callTransport(transport, 'poll', { timeoutMs: 1_000 }, async () => ['x'])).toEqual(['x']);
});

it('a call that gets no answer names the transport and the method, and ends its own signal', async () => {
  let seen: AbortSignal | undefined;
  const call = callTransport(transport, 'poll', { timeoutMs: 5.4 }, (signal) => {
    seen = signal;
    return new Promise(() => {});
  });
  await expect(call).rejects.toMatchObject({
    code: 'E_TRANSPORT_TIMEOUT',
    message: 'mock: poll did not answer within 5 ms',
    hint: expect.stringContaining('reachable'),
    retryable: true,
  });
  expect(seen?.aborted).toBe(true);
});

it('what a transport throws keeps its code, or gets one, with what failed and the cause', () => {
  const known = new CleoError('E_RATE_LIMIT', 'slow down');
  expect(asTransportError(known, 'poll')).toBe(known);
  const cause = new TypeError('fetch failed');
  expect(asTransportError(cause, 'poll')).toMatchObject({
    code: 'E_TRANSPORT_FAILED',
    message: 'poll: fetch failed',
    retryable: true,
    cause,
  });
});
