import { CleoError, type ConduitMessage, type Transport } from '@cleocode/contracts';
import { describe, expect, it, vi } from 'vitest';
import { nextReply } from './reply.ts';

const reply: ConduitMessage = {
  ...{ id: 'm2', from: 'bob', content: 'hi', threadId: 'c1', replyTo: 'm1' },
  timestamp: '2026-01-01T00:00:00Z',
};
const busy = new CleoError('E_RATE_LIMIT', 'too many requests', { retryable: true, retryAfterMs: 100 });

/** A transport without push that answers each poll with the next of these, and with the last from then on. */
function polled(...answers: (ConduitMessage[] | Error)[]) {
  const poll = vi.fn(async () => {
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const ack = vi.fn(async () => {});
  return { poll, ack, transport: { poll, ack } as unknown as Transport };
}

describe('nextReply', () => {
  it('polls until the answer is there, and acknowledges that one only', async () => {
    const other = { ...reply, id: 'm3', replyTo: 'm0' };
    const { ack, transport } = polled([], [other], [other, reply]);
    expect(await nextReply(transport, 'm1', 10_000)).toEqual(reply);
    expect(ack.mock.calls).toEqual([[['m2']]]);
  });

  it('waits out a fault that may pass, for as long as the backend asks', async () => {
    const { poll, transport } = polled(busy, [reply]);
    const began = performance.now();
    expect(await nextReply(transport, 'm1', 10_000)).toEqual(reply);
    expect(performance.now() - began).toBeGreaterThanOrEqual(99);
    expect(poll).toHaveBeenCalledTimes(2);
  });

  it('rejects with a fault that is still there in the end', async () => {
    await expect(nextReply(polled(busy).transport, 'm1', 150)).rejects.toBe(busy);
  });

  it('rejects at once with a fault that stays', async () => {
    const refused = new CleoError('E_AUTH_INVALID_TOKEN', 'the key is not one of bob');
    const { poll, transport } = polled(refused);
    await expect(nextReply(transport, 'm1', 10_000)).rejects.toBe(refused);
    expect(poll).toHaveBeenCalledTimes(1);
  });

  it('answers nothing when none came in time', async () => {
    expect(await nextReply(polled([]).transport, 'm1', 50)).toBeUndefined();
  });

  it('asks less and less often, within what a backend allows in a minute', async () => {
    vi.useFakeTimers();
    try {
      const { poll, transport } = polled([]);
      const over = new AbortController();
      vi.spyOn(AbortSignal, 'timeout').mockReturnValue(over.signal);
      const waiting = nextReply(transport, 'm1', 60_000);
      await vi.advanceTimersByTimeAsync(60_000);
      over.abort();
      expect(await waiting).toBeUndefined();
      expect(poll.mock.calls.length).toBeGreaterThan(25);
      expect(poll.mock.calls.length).toBeLessThan(70);
    } finally {
      vi.restoreAllMocks();
      vi.useRealTimers();
    }
  });
});
