import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { backoff, callWithin, isThenable, MAX_TIMER_MS, pause, Waiters, withDeadline } from './timing.ts';

const never = () => new Promise<never>(() => {});
const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable(),
    (reason) => reason,
  );

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('withDeadline', () => {
  it('gives what the work gives, and leaves no timer behind', async () => {
    expect(await withDeadline(Promise.resolve(7), 1_000, () => new Error('late'))).toBe(7);
    const cause = new Error('failed');
    expect(await rejection(withDeadline(Promise.reject(cause), 1_000, () => new Error('late')))).toBe(cause);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('rejects at its deadline and not a millisecond earlier', async () => {
    const outcome = vi.fn();
    void withDeadline(never(), 1_000, () => 'late').catch(outcome);
    await vi.advanceTimersByTimeAsync(999);
    expect(outcome).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(outcome).toHaveBeenCalledExactlyOnceWith('late');
  });

  it('gives a late outcome to nobody, a rejection included', async () => {
    const { promise, reject } = Promise.withResolvers<never>();
    const waiting = rejection(withDeadline(promise, 10, () => 'late'));
    await vi.advanceTimersByTimeAsync(10);
    expect(await waiting).toBe('late');
    reject(new Error('too late to matter'));
    await vi.advanceTimersByTimeAsync(0);
  });
});

describe('withDeadline and a signal', () => {
  it('rejects with the reason of the signal as soon as it aborts, and leaves nothing behind', async () => {
    const abort = new AbortController();
    const remove = vi.spyOn(abort.signal, 'removeEventListener');
    const waiting = rejection(withDeadline(never(), 1_000, () => 'late', abort.signal));
    abort.abort('no longer needed');
    expect(await waiting).toBe('no longer needed');
    expect(vi.getTimerCount()).toBe(0);
    expect(await withDeadline(Promise.resolve(7), 1_000, () => 'late', new AbortController().signal)).toBe(7);
    expect(remove).toHaveBeenCalledOnce();
  });

  it('does not begin to wait under a signal that has aborted', async () => {
    const work = Promise.reject(new Error('nobody hears this'));
    expect(await rejection(withDeadline(work, 1_000, () => 'late', AbortSignal.abort('over')))).toBe('over');
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('callWithin', () => {
  it('gives what the work gives, also when that is no promise', async () => {
    expect(
      await callWithin(
        { timeoutMs: 1_000 },
        () => 'late',
        () => 7,
      ),
    ).toBe(7);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('gives up on work that never looks at its signal, and aborts that signal with the error', async () => {
    let seen: AbortSignal | undefined;
    const call = callWithin(
      { timeoutMs: 1_000 },
      () => 'late',
      (signal) => {
        seen = signal;
        return never();
      },
    );
    const waiting = rejection(call);
    await vi.advanceTimersByTimeAsync(999);
    expect(seen?.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect([await waiting, seen?.reason]).toEqual(['late', 'late']);
  });

  it('ends with the reason of the signal it was given, and begins nothing under one that has aborted', async () => {
    const abort = new AbortController();
    const bounds = { timeoutMs: 1_000, signal: abort.signal };
    const waiting = rejection(callWithin(bounds, () => 'late', never));
    abort.abort('stopping');
    expect(await waiting).toBe('stopping');
    const work = vi.fn();
    expect(await rejection(callWithin(bounds, () => 'late', work))).toBe('stopping');
    expect([work.mock.calls.length, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('contains work that throws instead of rejecting', async () => {
    const thrown = new Error('at once');
    const call = callWithin(
      { timeoutMs: 1_000 },
      () => 'late',
      () => {
        throw thrown;
      },
    );
    expect(await rejection(call)).toBe(thrown);
  });
});

it('MAX_TIMER_MS is the longest a timer waits', async () => {
  const fired = vi.fn();
  setTimeout(fired, MAX_TIMER_MS);
  await vi.advanceTimersByTimeAsync(MAX_TIMER_MS - 1);
  expect(fired).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(fired).toHaveBeenCalledOnce();
});

describe('pause', () => {
  it('waits its time and takes its listener and timer away', async () => {
    const { signal } = new AbortController();
    const remove = vi.spyOn(signal, 'removeEventListener');
    const done = vi.fn();
    void pause(500, signal).then(done);
    await vi.advanceTimersByTimeAsync(499);
    expect(done).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(done).toHaveBeenCalledOnce();
    expect(remove).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends at once, without rejecting, when the signal aborts or has aborted', async () => {
    const abort = new AbortController();
    const waiting = pause(60_000, abort.signal);
    abort.abort();
    await waiting;
    await pause(60_000, abort.signal);
    expect(vi.getTimerCount()).toBe(0);
  });
});

it('backs off twice as long each time up to the cap, anywhere in the upper half of it', () => {
  const longest = [0, 1, 2, 3, 4, 2_000].map((attempt) => backoff(attempt, 1_000, 5_000, () => 1));
  expect(longest).toEqual([1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
  const shortest = [0, 1, 2, 3].map((attempt) => backoff(attempt, 1_000, 5_000, () => 0));
  expect(shortest).toEqual([500, 1_000, 2_000, 2_500]);
  const waits = Array.from({ length: 200 }, () => backoff(0, 1_000, 5_000));
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(500);
  expect(Math.max(...waits)).toBeLessThanOrEqual(1_000);
  expect(new Set(waits).size).toBeGreaterThan(100);
});

it('takes for a promise what can be awaited', () => {
  const withThen = (target: object, then: unknown) => Object.defineProperty(target, 'then', { value: then });
  const thenables = [
    Promise.resolve(),
    withThen({}, () => {}),
    withThen(
      () => {},
      () => {},
    ),
  ];
  expect(thenables.map(isThenable)).toEqual([true, true, true]);
  const others = [undefined, null, 0, 'then', {}, withThen({}, true), () => {}];
  expect(others.map(isThenable)).toEqual(Array(7).fill(false));
});

describe('Waiters', () => {
  it('wakes all who wait, once', async () => {
    const waiters = new Waiters();
    const { signal } = new AbortController();
    const both = Promise.all([waiters.wait(signal), waiters.wait(signal)]);
    expect(waiters.size).toBe(2);
    waiters.wake();
    await both;
    expect(waiters.size).toBe(0);
  });

  it('lets one give up by its own signal, with its reason', async () => {
    const waiters = new Waiters();
    const abort = new AbortController();
    const waiting = rejection(waiters.wait(abort.signal));
    const reason = new Error('enough');
    abort.abort(reason);
    expect(await waiting).toBe(reason);
    expect(waiters.size).toBe(0);
    expect(await rejection(waiters.wait(abort.signal))).toBe(reason);
  });
});
