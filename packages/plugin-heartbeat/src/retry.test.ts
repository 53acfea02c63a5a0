import { CleoError } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { holdAfter, retryDelay } from './retry.ts';

const [never, always] = [() => 0, () => 1];

describe('the wait after a failure', () => {
  it('is short three times and then grows, up to the interval', () => {
    const longest = (failures: number) => retryDelay(failures, 30_000, always);
    expect([0, 1, 2, 3, 6, 7, 100].map(longest)).toEqual([250, 500, 1_000, 2_000, 16_000, 30_000, 30_000]);
    expect(longest(0) / retryDelay(0, 30_000, never)).toBe(2);
  });
});

describe('a hold', () => {
  const failed = (code: string, retryAfterMs?: number) => new CleoError(code, 'no', { retryAfterMs });

  it.each([
    ['nothing', failed('E_TRANSPORT_TIMEOUT'), 0],
    ['what the backend asks for', failed('E_RATE_LIMIT', 45_000), 45_000],
    ['30 seconds for a refused key', failed('E_AUTH_INVALID_TOKEN'), 30_000],
    ['more where the backend asks for more', failed('E_AUTH_FORBIDDEN', 60_000), 60_000],
    ['a quarter of an hour where it asks for a day', failed('E_RATE_LIMIT', 86_400_000), 900_000],
  ])('is %s', (_what, error, ms) => {
    expect(holdAfter(error, never)).toBe(ms);
    expect(holdAfter(error, always)).toBeCloseTo(ms * 1.1);
  });
});
