import { CleoError } from '@cleocode/contracts';
import { describe, expect, it, vi } from 'vitest';
import { CircuitBreaker } from './circuit-breaker.ts';

/** A breaker on a clock that stands still until told. `random` at 1 makes each pause as long as it can be. */
function breakerAt(random = () => 1) {
  const clock = { now: 0 };
  const breaker = new CircuitBreaker('https://h', () => clock.now, random);
  const fail = (times = 1) => {
    for (let n = 0; n < times; n += 1) breaker.enter().failed(new Error('refused'));
  };
  return { clock, breaker, fail };
}

function refusal(breaker: CircuitBreaker): CleoError {
  try {
    breaker.check();
  } catch (error) {
    if (CleoError.is(error)) return error;
  }
  throw new Error('it lets requests through');
}

describe('a circuit breaker', () => {
  it('opens after five failures in a row, and says why and for how long', () => {
    const { breaker, fail } = breakerAt();
    fail(4);
    breaker.enter().ok();
    fail(4);
    expect(breaker.open).toBe(false);
    fail();
    expect(breaker.open).toBe(true);
    expect(refusal(breaker)).toMatchObject({
      code: 'E_TRANSPORT_UNREACHABLE',
      message: 'https://h is not asked for 1000 ms more: 5 requests in a row failed, the last with: refused',
      retryable: true,
      retryAfterMs: 1_000,
      details: { circuit: 'open' },
      cause: new Error('refused'),
    });
  });

  it('lets one request through when the time is over, and the others once that was answered', () => {
    const { clock, breaker, fail } = breakerAt();
    fail(5);
    clock.now = 999;
    expect(() => breaker.enter()).toThrow();
    clock.now = 1_000;
    const probe = breaker.enter();
    expect(refusal(breaker).retryAfterMs).toBe(1_000);
    probe.ok();
    expect(breaker.open).toBe(false);
    breaker.enter().ok();
  });

  it('waits twice as long after each probe that failed, up to thirty seconds', () => {
    const { clock, breaker, fail } = breakerAt();
    fail(5);
    const waits = Array.from({ length: 7 }, () => {
      const { retryAfterMs } = refusal(breaker);
      clock.now += retryAfterMs!;
      fail();
      return retryAfterMs;
    });
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it('lets one request through at once when the backend was heard, and waits twice as long when that fails', () => {
    const { breaker, fail } = breakerAt();
    breaker.heard();
    breaker.enter().cancelled();
    fail(5);
    breaker.heard();
    const probe = breaker.enter();
    breaker.heard();
    expect(() => breaker.enter(), 'one is on its way').toThrow();
    probe.failed(new Error('refused'));
    expect(refusal(breaker).retryAfterMs).toBe(2_000);
    breaker.heard();
    breaker.enter().ok();
    expect(breaker.open).toBe(false);
  });

  it('lets who asks by other means in while it is closed, and counts them as a request once it is open', () => {
    const { clock, breaker, fail } = breakerAt();
    expect([breaker.knock(), breaker.knock()]).toEqual([0, 0]);
    fail(5);
    expect(breaker.knock()).toBe(1_000);
    clock.now = 1_000;
    expect(breaker.knock()).toBe(0);
    expect(refusal(breaker).retryAfterMs).toBe(2_000);
  });

  it('leaves every other try to its own requests, unless they make none', () => {
    const { clock, breaker, fail } = breakerAt();
    fail(5);
    clock.now = 1_000;
    expect(breaker.knock()).toBe(0);
    clock.now = 3_000;
    expect(breaker.knock()).toBe(1_000);
    fail();
    expect(breaker.knock()).toBe(4_000);
    clock.now = 7_000;
    expect(breaker.knock()).toBe(0);
    clock.now = 7_000 + 8_000 + 30_000;
    expect(breaker.knock()).toBe(0);
  });

  it('lets nobody in while a request is on its way', () => {
    const { clock, breaker, fail } = breakerAt();
    fail(5);
    clock.now = 1_000;
    const probe = breaker.enter();
    expect(breaker.knock()).toBe(1_000);
    probe.ok();
    expect(breaker.knock()).toBe(0);
  });

  it('has many who knock come again one after the other, within fifteen seconds', () => {
    const { breaker, fail } = breakerAt();
    fail(5);
    const waits = Array.from({ length: 500 }, () => breaker.knock());
    expect(waits[0]).toBe(1_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(16_000);
    expect(new Set(waits.map((ms) => Math.floor(ms / 1_000))).size).toBeGreaterThanOrEqual(10);
  });

  it('lets a bystander pass while the failures are answers, and learns nothing from it', () => {
    const { breaker } = breakerAt();
    for (let n = 0; n < 5; n += 1) breaker.enter().failed(new Error('status 500'), { answered: true });
    breaker.check({ bystander: true });
    breaker.enter({ bystander: true }).failed(new Error('status 500'), { answered: true });
    breaker.enter({ bystander: true }).ok();
    expect(refusal(breaker).retryAfterMs).toBe(1_000);
    const unreachable = breakerAt();
    unreachable.fail(5);
    expect(() => unreachable.breaker.enter({ bystander: true })).toThrow();
    unreachable.clock.now = 1_000;
    unreachable.breaker.enter({ bystander: true }).failed(new Error('refused'));
    expect(refusal(unreachable.breaker).retryAfterMs, 'it was a try like any other').toBe(2_000);
    const closed = breakerAt();
    for (let n = 0; n < 5; n += 1) closed.breaker.enter({ bystander: true }).failed(new Error('refused'));
    expect(closed.breaker.open).toBe(true);
  });

  it('begins anew once it was closed', () => {
    const { clock, breaker, fail } = breakerAt();
    fail(5);
    clock.now = 1_000;
    fail();
    clock.now = 3_000;
    breaker.enter().ok();
    fail(5);
    expect(refusal(breaker).retryAfterMs).toBe(1_000);
  });

  it('lets another probe through when the first was given up', () => {
    const { clock, breaker, fail } = breakerAt();
    fail(5);
    clock.now = 1_000;
    breaker.enter().cancelled();
    breaker.enter().ok();
    expect(breaker.open).toBe(false);
  });

  it('hears from requests that were on their way when it opened: an answer closes it, a failure does not count', () => {
    const { breaker, fail } = breakerAt();
    const [late, later] = [breaker.enter(), breaker.enter()];
    fail(5);
    late.failed(new Error('late'));
    expect(refusal(breaker).retryAfterMs).toBe(1_000);
    later.ok();
    expect(breaker.open).toBe(false);
  });

  it('tells when the backend answers again, not each time that it answers', () => {
    const { breaker, fail } = breakerAt();
    const recovered = vi.fn();
    breaker.onRecovered(recovered);
    breaker.enter().ok();
    expect(recovered).not.toHaveBeenCalled();
    fail();
    breaker.enter().ok();
    breaker.enter().ok();
    expect(recovered).toHaveBeenCalledOnce();
  });

  it('lets at most 40 requests through in ten minutes without an answer, whoever asks how often', () => {
    let seed = 1;
    const { clock, breaker } = breakerAt(() => {
      seed = (seed * 48_271) % 0x7fffffff;
      return seed / 0x7fffffff;
    });
    let through = 0;
    let longest = 0;
    for (let last = 0; clock.now < 600_000; clock.now += 100) {
      try {
        // Two that ask by different means, and never at the same moment.
        if (clock.now % 200 === 0) breaker.enter().failed(new Error('refused'));
        else if (breaker.knock() > 0) continue;
        through += 1;
        longest = Math.max(longest, clock.now - last);
        last = clock.now;
      } catch {} // Refused here.
    }
    expect(through).toBeLessThanOrEqual(40);
    expect(longest, 'the time until a backend that came back is asked').toBeLessThanOrEqual(30_100);
  });
});
