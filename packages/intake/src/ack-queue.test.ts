import { CleoError, WireError } from '@cleocode/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AckQueue } from './ack-queue.ts';
import { Condition } from './condition.ts';

let sent: string[][];
let answer: (ids: string[], signal: AbortSignal) => Promise<void>;
let reports: string[];
let refused: [id: string, code: string][];
let acks: AckQueue;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(1);
  sent = [];
  reports = [];
  refused = [];
  answer = async () => {};
  acks = new AckQueue({
    transport: {
      name: 'fake',
      ack: (ids, { signal } = {}) => {
        sent.push(ids);
        return answer(ids, signal!);
      },
    },
    timeoutMs: 50,
    condition: new Condition('ack', {
      failing: (_, error) => reports.push((error as Error).message),
      recovered: (_, failures) => reports.push(`works after ${failures}`),
    }),
    onRefused: (id, error) => refused.push([id, (error as CleoError).code]),
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const after = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const range = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `${from + n}`);
function add(ids: readonly string[]): void {
  for (const id of ids) acks.add(id);
}

it('sends what finishes together in one request, 200 at a time, and counts what is not acked yet', async () => {
  add(range(450));
  expect(acks.size).toBe(450);
  await after(0);
  expect(sent.map(({ length }) => length)).toEqual([200, 200, 50]);
  expect([sent.flat(), acks.size]).toEqual([range(450), 0]);
});

it('has one request under way at a time', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  answer = () => promise;
  add(['1']);
  await after(0);
  add(['1', '2']);
  await after(10);
  expect([sent, acks.size]).toEqual([[['1']], 2]);
  resolve();
  await after(0);
  expect([sent, acks.size]).toEqual([[['1'], ['2']], 0]);
});

it('tries again what was not heard, with growing pauses, and tells of it once', async () => {
  const times: number[] = [];
  const began = performance.now();
  answer = async () => {
    times.push(performance.now() - began);
    if (times.length < 4) throw new Error('no network');
  };
  add(['1']);
  await after(60_000);
  expect(times.map(Math.round)).toEqual([0, 1_000, 3_000, 7_000]);
  expect([acks.size, reports]).toEqual([0, ['no network', 'works after 3']]);
});

it('waits as long as the backend asks', async () => {
  answer = () => Promise.reject(new WireError('E_RATE_LIMIT', 'slow down', { retryAfterMs: 20_000 }));
  add(['1']);
  await after(19_999);
  expect(sent).toHaveLength(1);
  answer = async () => {};
  await after(3_000);
  expect([sent.length, acks.size]).toEqual([2, 0]);
});

it('waits for an answer no longer than its deadline', async () => {
  const signals: AbortSignal[] = [];
  answer = (_, signal) => {
    signals.push(signal);
    return new Promise(() => {});
  };
  add(['1']);
  await after(50);
  expect([reports, signals[0]?.aborted]).toEqual([['fake: ack did not answer within 50 ms'], true]);
});

it('remembers 10,000 at most and forgets the oldest: the backend shows them again', async () => {
  answer = () => Promise.reject(new Error('no network'));
  add(range(10_500));
  expect(acks.size).toBe(10_000);
  await after(0);
  answer = async () => {};
  await after(1_000);
  expect(sent.slice(1).flat()).toEqual(range(10_000, 500));
});

describe('an id that the backend refuses', () => {
  const bad = new Set<string>();
  beforeEach(() => {
    bad.clear();
    answer = async (ids) => {
      if (ids.some((id) => bad.has(id))) throw new CleoError('E_NOT_FOUND_MESSAGE', 'no such message');
    };
  });
  const taken = () => {
    const lost = new Set(refused.map(([id]) => id));
    return sent.filter((ids) => !ids.some((id) => bad.has(id))).flat().length + lost.size;
  };

  it.each([['0'], ['57'], ['199']])(
    'is found in a batch of 200 with few requests, and the others are acked: %s',
    async (id) => {
      bad.add(id);
      add(range(200));
      await after(5_000);
      expect([refused, acks.size, taken()]).toEqual([[[id, 'E_NOT_FOUND_MESSAGE']], 0, 200]);
      expect(sent.length).toBeLessThan(25);
      expect(reports).toEqual([]);
    },
  );

  it('is told once, and not asked for again however often it comes', async () => {
    bad.add('1');
    for (let n = 0; n < 5; n++) {
      add(['1', '2']);
      await after(5_000);
    }
    expect(refused).toEqual([['1', 'E_NOT_FOUND_MESSAGE']]);
    expect(sent.filter((ids) => ids.includes('1')).length).toBeLessThan(3);
  });

  it('does not let the requests pile up where all are refused', async () => {
    for (const id of range(200)) bad.add(id);
    add(range(200));
    await after(60_000);
    expect(sent.length).toBeLessThan(45);
    await after(600_000);
    expect([refused.length, acks.size]).toEqual([200, 0]);
  });

  it('ends the trouble there was: the backend answers', async () => {
    bad.add('1');
    const refuse = answer;
    answer = () => Promise.reject(new Error('no network'));
    add(['1']);
    await after(0);
    answer = refuse;
    await after(5_000);
    expect([reports, refused]).toEqual([['no network', 'works after 1'], [['1', 'E_NOT_FOUND_MESSAGE']]]);
  });
});

describe('the end', () => {
  it('sends what waits for its next try, once', async () => {
    answer = () => Promise.reject(new Error('no network'));
    add(range(2));
    await after(0);
    const closed = acks.close(2_000);
    await after(0);
    await closed;
    expect(sent).toEqual([range(2), range(2)]);
    add(['late']);
    await after(60_000);
    expect([sent.length, vi.getTimerCount()]).toEqual([2, 0]);
  });

  it('waits no longer than it is given', async () => {
    answer = () => new Promise(() => {});
    add(['1']);
    await after(0);
    const closed = acks.close(20);
    await after(20);
    await closed;
    expect(vi.getTimerCount()).toBe(0);
  });
});
