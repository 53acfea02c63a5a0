import { CleoError, WireError } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { retryDelay } from './retry.ts';
import { RetryBudget } from './retry-budget.ts';

const broken = new CleoError('E_TRANSPORT_UNREACHABLE', 'x', {
  retryable: true,
  details: { phase: 'headers' },
});
const refused = new CleoError('E_TRANSPORT_UNREACHABLE', 'x', {
  retryable: true,
  details: { phase: 'connect' },
});
const limited = (retryAfterMs: number) => new WireError('E_RATE_LIMIT', 'x', { retryAfterMs });

function delay(
  error: unknown,
  { tries = 1, repeatable = true, remainingMs = 20_000, random = 0 } = {},
): number | undefined {
  return retryDelay(error, { tries, repeatable, remainingMs }, () => random);
}

describe('a failed request is sent again', () => {
  it('after pauses that grow', () => {
    expect([delay(broken), delay(broken, { tries: 2 })]).toEqual([100, 200]);
    expect([delay(broken, { random: 1 }), delay(broken, { tries: 2, random: 1 })]).toEqual([200, 400]);
  });

  it('twice at most', () => {
    expect(delay(broken, { tries: 3 })).toBeUndefined();
  });

  it('only when it may succeed', () => {
    expect(delay(new WireError('E_NOT_FOUND_AGENT', 'x'))).toBeUndefined();
    expect(delay(new Error('unknown'))).toBeUndefined();
  });

  it('only when a second time changes nothing, or when there was no first', () => {
    expect(delay(broken, { repeatable: false })).toBeUndefined();
    expect(delay(refused, { repeatable: false })).toBe(100);
    expect(delay(limited(300), { repeatable: false })).toBe(300);
  });

  it('never earlier than the backend asks, and not everyone at that moment', () => {
    expect([delay(limited(5_000)), delay(limited(5_000), { random: 1 })]).toEqual([5_000, 5_500]);
  });

  it('never when the caller no longer waits by then', () => {
    expect(delay(limited(5_000), { remainingMs: 5_000 })).toBeUndefined();
  });
});

describe('the retry budget', () => {
  it('allows ten repetitions at once, then one for each ten requests', () => {
    const budget = new RetryBudget();
    const spend = (times: number) =>
      Array.from({ length: times }, () => budget.spend()).filter(Boolean).length;
    expect(spend(20)).toBe(10);
    let again = 0;
    for (let n = 0; n < 1_000; n += 1) {
      budget.earn();
      again += spend(1);
    }
    expect(again).toBe(100);
    for (let n = 0; n < 1_000; n += 1) budget.earn();
    expect(spend(20)).toBe(10);
  });
});
