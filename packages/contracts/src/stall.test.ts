import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Stall, watchForStalls } from './stall.ts';

const HOUR_MS = 3_600_000;

describe('with a clock of our own', () => {
  let seen: Stall[];
  let end: () => void;
  let stoodStillMs: number;

  beforeEach(() => {
    vi.useFakeTimers();
    const now = performance.now;
    vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + stoodStillMs);
    stoodStillMs = 0;
    seen = [];
    end = watchForStalls({}, (stall) => seen.push(stall));
  });

  afterEach(() => {
    end();
    expect(vi.getTimerCount()).toBe(0);
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  /** Both clocks go on and nothing runs, as in a process that is stopped. */
  function standStill(ms: number): void {
    stoodStillMs += ms;
    vi.setSystemTime(Date.now() + ms);
  }

  it('tells of a stall at the first moment the process runs again, once', async () => {
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toEqual([]);
    standStill(60_000);
    await vi.advanceTimersByTimeAsync(500);
    expect(seen).toEqual([{ gapMs: 60_000, certain: true }]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toHaveLength(1);
  });

  it('takes what is no longer than the threshold for a busy machine', async () => {
    standStill(5_000);
    await vi.advanceTimersByTimeAsync(500);
    expect(seen).toEqual([]);
    standStill(5_001);
    await vi.advanceTimersByTimeAsync(500);
    expect(seen).toEqual([{ gapMs: 5_001, certain: true }]);
  });

  it('has the threshold it is given', async () => {
    end();
    end = watchForStalls({ thresholdMs: 100 }, (stall) => seen.push(stall));
    standStill(101);
    await vi.advanceTimersByTimeAsync(500);
    expect(seen).toEqual([{ gapMs: 101, certain: true }]);
  });

  it('is not certain of one that only the wall clock shows: a host that slept, or a clock that was set', async () => {
    vi.setSystemTime(Date.now() + 8 * HOUR_MS);
    await vi.advanceTimersByTimeAsync(500);
    expect(seen).toEqual([{ gapMs: 8 * HOUR_MS, certain: false }]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toHaveLength(1);
  });

  it('does not care for a wall clock that is put back', async () => {
    vi.setSystemTime(Date.now() - 24 * HOUR_MS);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toEqual([]);
  });

  it('is over when it is ended', async () => {
    end();
    standStill(60_000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toEqual([]);
  });
});

it('sees an event loop that was blocked', async () => {
  const { promise, resolve } = Promise.withResolvers<Stall>();
  const end = watchForStalls({ thresholdMs: 200 }, resolve);
  const until = performance.now() + 900;
  while (performance.now() < until);
  const stall = await promise;
  end();
  expect(stall).toMatchObject({ certain: true });
  expect(stall.gapMs).toBeGreaterThanOrEqual(400);
});

it('does not keep the process alive', () => {
  const program = `import { watchForStalls } from '${new URL('./stall.ts', import.meta.url)}'; watchForStalls({}, () => {});`;
  const { status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    timeout: 30_000,
  });
  expect(status).toBe(0);
});
