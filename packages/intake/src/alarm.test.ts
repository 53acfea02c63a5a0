import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Alarm } from './alarm.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Runs a wait and answers how long it took. */
async function waited(alarm: Alarm, ms: number, during: () => void = () => {}): Promise<number> {
  const started = performance.now();
  const wait = alarm.wait(ms, new AbortController().signal);
  during();
  let ended = false;
  void wait.then(() => {
    ended = true;
  });
  while (!ended) await vi.advanceTimersByTimeAsync(1);
  return performance.now() - started - 1;
}

it('waits its time when nobody rings', async () => {
  expect(await waited(new Alarm(), 100)).toBe(99);
});

it('ends at once when rung', async () => {
  const alarm = new Alarm();
  expect(await waited(alarm, 100, () => alarm.ring())).toBe(0);
});

it('remembers a ring between two waits, once', async () => {
  const alarm = new Alarm();
  alarm.ring();
  expect(await waited(alarm, 100)).toBe(0);
  expect(await waited(alarm, 100)).toBe(99);
});

it('is shortened by a later ring and never made longer', async () => {
  const alarm = new Alarm();
  expect(await waited(alarm, 100, () => alarm.ring(10))).toBe(9);
  expect(await waited(alarm, 100, () => alarm.ring(500))).toBe(99);
  alarm.ring(10);
  alarm.ring(500);
  expect(await waited(alarm, 100)).toBe(9);
});

it('ends when its signal aborts, also if that was before', async () => {
  const alarm = new Alarm();
  const abort = new AbortController();
  const wait = alarm.wait(1_000, abort.signal);
  abort.abort();
  await wait;
  await alarm.wait(1_000, abort.signal);
  expect(vi.getTimerCount()).toBe(0);
});
