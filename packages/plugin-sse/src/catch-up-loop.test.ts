import { CleoError } from '@cleocode/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CaughtUp } from './catch-up.ts';
import { CatchUpLoop } from './catch-up-loop.ts';

const END: CaughtUp = { readAll: true, turnedAway: false };
let began: number[];
let outcome: () => Promise<CaughtUp>;
let idleMs: number;
let failed: unknown[];
let loop: CatchUpLoop;
let stop: AbortController;
let ended: Promise<void>;
let start: number;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(1);
  began = [];
  failed = [];
  idleMs = Number.POSITIVE_INFINITY;
  outcome = async () => END;
  stop = new AbortController();
  start = performance.now();
  loop = new CatchUpLoop({
    catchUp: () => outcome(),
    idleMs: () => idleMs,
    onBegin: () => began.push(performance.now() - start),
    onEnd: () => {},
    onFail: (error) => failed.push(error),
  });
  ended = loop.run(stop.signal);
});

afterEach(async () => {
  stop.abort();
  await ended;
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const after = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('catch-ups', () => {
  it('do not run by themselves', async () => {
    await after(3_600_000);
    expect(began).toEqual([]);
  });

  it('run at once when asked for, once for all who ask meanwhile, and a second apart', async () => {
    loop.ask();
    await after(0);
    for (let n = 0; n < 10; n++) loop.ask();
    await after(999);
    expect(began).toEqual([0]);
    await after(1);
    expect(began).toEqual([0, 1_000]);
    await after(60_000);
    expect(began).toHaveLength(2);
  });

  it('run at once when it is urgent, and that puts off no other', async () => {
    loop.ask();
    await after(100);
    loop.ask(true);
    await after(100);
    loop.ask();
    await after(0);
    expect(began).toEqual([0, 100, 200]);
  });

  it('run one at a time, and again when asked for meanwhile', async () => {
    const { promise, resolve } = Promise.withResolvers<CaughtUp>();
    outcome = () => promise;
    loop.ask();
    await after(0);
    loop.ask(true);
    await after(5_000);
    expect(began).toEqual([0]);
    outcome = async () => END;
    resolve(END);
    await after(0);
    expect(began).toEqual([0, 5_000]);
  });

  it('run again, with growing pauses, until one has got to the end', async () => {
    outcome = async () => ({ readAll: false, turnedAway: true });
    loop.ask();
    await after(15_000);
    expect(began).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
    expect(loop.behind).toBe(true);
    outcome = async () => END;
    await after(16_000);
    expect([began.at(-1), loop.behind]).toEqual([31_000, false]);
  });

  it('run again after a failure, and not before the backend asked for it, however urgent', async () => {
    const error = new CleoError('E_RATE_LIMIT', 'slow down', { retryAfterMs: 20_000 });
    outcome = () => Promise.reject(error);
    loop.ask();
    await after(1_000);
    loop.ask(true);
    outcome = async () => END;
    await after(18_999);
    expect(began).toEqual([0]);
    await after(1);
    expect([began, failed, loop.behind]).toEqual([[0, 20_000], [error], false]);
  });

  it('run as soon as it is urgent when it was the transport that refused, without asking the backend', async () => {
    const details = { local: true };
    const error = new CleoError('E_TRANSPORT_UNREACHABLE', 'not asked', { retryAfterMs: 20_000, details });
    outcome = () => Promise.reject(error);
    loop.ask();
    await after(5_000);
    outcome = async () => END;
    loop.ask(true);
    await after(0);
    expect(began).toEqual([0, 5_000]);
  });

  it('run now and then while they are to', async () => {
    idleMs = 5_000;
    loop.ask();
    await after(12_000);
    expect(began).toEqual([0, 5_000, 10_000]);
    idleMs = Number.POSITIVE_INFINITY;
    await after(60_000);
    expect(began).toHaveLength(3);
  });

  it('end with their signal, and report nothing then', async () => {
    outcome = () =>
      new Promise((_, reject) => stop.signal.addEventListener('abort', () => reject(new Error('over'))));
    loop.ask();
    await after(0);
    stop.abort();
    await ended;
    expect([failed, vi.getTimerCount()]).toEqual([[], 0]);
  });
});
