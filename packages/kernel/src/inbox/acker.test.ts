import { CleoError, WireError } from '@cleocode/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { gate, message, never, until } from '../kernel.test.kit.ts';
import { Acker } from './acker.ts';
import { startBench } from './inbox.test.kit.ts';

/** An acker whose backend is `send`, with everything it reports. */
function ackerOf(send: (ids: string[], signal: AbortSignal) => Promise<void>) {
  const states: unknown[] = [];
  const refused: [ids: string[], error: unknown][] = [];
  const requests: string[][] = [];
  const acker = new Acker({
    ack: (ids, signal) => {
      requests.push(ids);
      return send(ids, signal);
    },
    onState: (error) => void states.push(error),
    onRefused: (ids, error) => void refused.push([ids, error]),
  });
  return { acker, states, refused, requests };
}

const ids = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `id-${from + n}`);
const down = () => new CleoError('E_TRANSPORT_DOWN', 'the backend is down', { retryable: true });

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(1);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

it('sends together what finishes together, up to 200 ids in a request', async () => {
  const { acker, requests } = ackerOf(async () => {});
  acker.add(ids(1));
  acker.add(ids(249, 1));
  expect(acker.size).toBe(250);
  await pass();
  expect(requests.map((batch) => batch.length)).toEqual([200, 50]);
  expect(requests.flat()).toEqual(ids(250));
  expect(acker.size).toBe(0);
});

it('has one request under way at a time, and counts what is in it', async () => {
  const { passed, open } = gate();
  const { acker, requests } = ackerOf(() => passed);
  acker.add(ids(2));
  await pass();
  acker.add(ids(3, 2));
  await pass(1_000);
  expect(requests).toEqual([ids(2)]);
  expect(acker.size).toBe(5);
  open();
  await pass();
  expect(requests).toEqual([ids(2), ids(3, 2)]);
  expect(acker.size).toBe(0);
});

it('never gives up on an id the backend may still take: it waits 0.5 s, doubling to 15 s', async () => {
  const error = down();
  const times: number[] = [];
  let healed = false;
  const began = performance.now();
  const { acker, states, requests } = ackerOf(async () => {
    times.push(performance.now() - began);
    if (!healed) throw error;
  });
  acker.add(ids(3));
  await pass(60_000);
  expect(times).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 30_500, 45_500]);
  expect(states).toEqual([error]);
  expect(acker.size).toBe(3);
  healed = true;
  await pass(15_000);
  expect(states).toEqual([error, undefined]);
  expect(new Set(requests.map((batch) => batch.join()))).toEqual(new Set([ids(3).join()]));
  expect(acker.size).toBe(0);
});

it('waits at least as long as the backend asks', async () => {
  const times: number[] = [];
  const { acker } = ackerOf(async () => {
    times.push(performance.now());
    if (times.length === 1) throw new WireError('E_RATE_LIMIT', 'slow down', { retryAfterMs: 20_000 });
  });
  acker.add(ids(1));
  await pass(40_000);
  expect(times[1]! - times[0]!).toBe(20_000);
});

it('waits a quarter of an hour at most, however long the backend asks to be left alone', async () => {
  const times: number[] = [];
  const { acker } = ackerOf(async () => {
    times.push(performance.now());
    if (times.length === 1) throw new WireError('E_RATE_LIMIT', 'slow down', { retryAfterMs: 86_400_000 });
  });
  acker.add(ids(1));
  await pass(3_600_000);
  expect(times[1]! - times[0]!).toBe(900_000);
});

it('asks again when a request is not answered within 10 s, and aborts it', async () => {
  const signals: AbortSignal[] = [];
  const { acker, states, requests } = ackerOf((_ids, signal) => {
    signals.push(signal);
    return signals.length === 1 ? never() : Promise.resolve();
  });
  acker.add(ids(2));
  await pass(10_000);
  expect(signals[0]!.aborted).toBe(true);
  expect(states).toMatchObject([{ message: 'no answer to an ack within 10000 ms' }]);
  await pass(500);
  expect(requests).toEqual([ids(2), ids(2)]);
  expect(states).toMatchObject([{ message: 'no answer to an ack within 10000 ms' }, undefined]);
});

describe('an id that the backend will never take', () => {
  const unknown = () => new CleoError('E_NOT_FOUND_MESSAGE', 'no such message');

  it('is given up, named, and does not hold up the others of its batch', async () => {
    const acked: string[] = [];
    const { acker, refused, states } = ackerOf(async (batch) => {
      if (batch.includes('id-1')) throw unknown();
      acked.push(...batch);
    });
    acker.add(ids(3));
    await pass(60_000);
    expect(acked).toEqual(['id-0', 'id-2']);
    expect(refused).toMatchObject([[['id-1'], { code: 'E_NOT_FOUND_MESSAGE' }]]);
    expect(states).toEqual([]);
    expect(acker.size).toBe(0);
  });

  it('is given up when it is the only one of its batch', async () => {
    const { acker, refused, requests } = ackerOf(() =>
      Promise.reject(new CleoError('E_VALIDATION_ID', 'not an id')),
    );
    acker.add(ids(1));
    await pass(60_000);
    expect(refused).toMatchObject([[['id-0'], { code: 'E_VALIDATION_ID' }]]);
    expect(requests).toHaveLength(1);
  });

  it('is looked for one by one, and what fails meanwhile waits and is tried again', async () => {
    let calls = 0;
    const acked: string[] = [];
    const { acker, refused } = ackerOf(async (batch) => {
      calls += 1;
      if (batch.includes('id-0')) throw unknown();
      if (calls < 4) throw down();
      acked.push(...batch);
    });
    acker.add(ids(3));
    await pass(60_000);
    expect(refused).toHaveLength(1);
    expect(acked.toSorted()).toEqual(['id-1', 'id-2']);
    expect(acker.size).toBe(0);
  });

  it('ends the trouble that was reported, because the backend answers again', async () => {
    const error = down();
    let calls = 0;
    const { acker, states } = ackerOf(async () => {
      calls += 1;
      if (calls === 1) throw error;
      throw unknown();
    });
    acker.add(ids(1));
    await pass(60_000);
    expect(states).toEqual([error, undefined]);
  });

  it('is not looked for any more once the acker is closed', async () => {
    const { acker, requests } = ackerOf(async (batch) => {
      if (batch.length > 1) throw unknown();
      await never();
    });
    acker.add(ids(200));
    await pass();
    expect(requests).toHaveLength(2);
    const flushed = acker.flush(100);
    await pass(100);
    await flushed;
    await pass(60_000);
    expect(requests).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});

it('remembers 10,000 ids at most and forgets the oldest: the backend shows them again', async () => {
  const acked: string[] = [];
  let healed = false;
  const { acker } = ackerOf(async (batch) => {
    if (!healed) throw down();
    acked.push(...batch);
  });
  acker.add(ids(10_500));
  expect(acker.size).toBe(10_000);
  healed = true;
  await pass();
  expect(acked).toEqual(ids(10_000, 500));
});

describe('flush', () => {
  it('waits until everything is acked', async () => {
    const { passed, open } = gate();
    const { acker, requests } = ackerOf(() => passed);
    acker.add(ids(300));
    const flushed = vi.fn();
    void acker.flush(5_000).then(flushed);
    await pass(100);
    expect(flushed).not.toHaveBeenCalled();
    open();
    await pass();
    expect(flushed).toHaveBeenCalledOnce();
    expect(requests.flat()).toHaveLength(300);
  });

  it('gives up at its deadline, aborts the request, and leaves no timer behind', async () => {
    const signals: AbortSignal[] = [];
    const { acker } = ackerOf((_ids, signal) => {
      signals.push(signal);
      return never();
    });
    acker.add(ids(1));
    await pass();
    const flushed = acker.flush(400);
    await pass(400);
    await flushed;
    expect(signals[0]!.aborted).toBe(true);
    await pass();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not wait for a backend that is down longer than its deadline', async () => {
    const { acker } = ackerOf(() => Promise.reject(down()));
    acker.add(ids(1));
    await pass(20_000);
    const began = performance.now();
    const flushed = acker.flush(400);
    await pass(400);
    await flushed;
    expect(performance.now() - began).toBe(400);
    expect(vi.getTimerCount()).toBe(0);
  });
});

it('makes failing acks a problem of the inbox until they get through, without handling anything twice', async () => {
  vi.useRealTimers();
  const handler = vi.fn();
  const bench = await startBench({ handlers: [handler] });
  bench.transport.failNext('ack', down());
  const sent = [message(), message({ threadId: 'other' })];
  bench.receive(sent);
  await until(() => bench.eventsOf('problem').length === 1);
  expect(bench.kernel.inbox.stats()).toMatchObject({
    done: 2,
    unacked: 2,
    problems: [
      {
        code: 'ack_failing',
        message: 'acks are not getting through: the backend is down',
        sinceMs: expect.any(Number),
      },
    ],
  });
  bench.receive(sent);
  await until(() => bench.kernel.inbox.stats().problems.length === 0);
  await until(() => bench.kernel.inbox.stats().unacked === 0);
  expect(bench.eventsOf('problem').map(({ code, resolved }) => [code, resolved])).toEqual([
    ['ack_failing', false],
    ['ack_failing', true],
  ]);
  expect(handler).toHaveBeenCalledTimes(2);
  expect(new Set(bench.transport.acked)).toEqual(new Set(sent.map(({ id }) => id)));
});

it('says which id the backend refuses', async () => {
  vi.useRealTimers();
  const bench = await startBench({ handlers: [() => {}] });
  bench.transport.failNext('ack', new CleoError('E_NOT_FOUND_MESSAGE', 'no such message'));
  bench.receive(message({ id: 'gone' }));
  await until(() => bench.log.at('error').length === 1);
  expect(bench.log.records.at(-1)).toEqual({
    level: 'error',
    message: 'the backend refuses an ack',
    fields: { messageIds: ['gone'], error: 'no such message' },
  });
});
