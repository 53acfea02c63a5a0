import { expect, it } from 'vitest';
import { jittered, LONGEST_WAIT } from './jitter.ts';

it('spreads an interval by a fifth to either side', () => {
  expect(jittered(5_000, () => 0)).toBe(4_000);
  expect(jittered(5_000, () => 0.999999)).toBeCloseTo(5_000 * LONGEST_WAIT, 0);
});
