import { CleoError, WireError } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { refusedKeyDelay, retryDelay } from './retry.ts';

const lowest = () => 0;
const highest = () => 0.999999;
const down = new Error('connect ECONNREFUSED');

describe('the delay after a failure', () => {
  it('doubles up to thirty seconds, jittered by half after the cap', () => {
    const ceilings = [0, 1, 2, 3, 4, 5, 6, 100].map((failures) =>
      Math.round(retryDelay(down, failures, highest)),
    );
    expect(ceilings).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(retryDelay(down, 100, lowest)).toBe(15_000);
  });

  it('asks a dead backend no more than forty times in ten minutes on average', () => {
    let requests = 1;
    for (let at = 0; at <= 600_000; requests++) at += retryDelay(down, requests - 1, () => 0.5);
    expect(requests).toBeLessThanOrEqual(40);
  });

  it('is never shorter than the backend asked', () => {
    const busy = new WireError('E_RATE_LIMIT', 'slow down', { retryAfterMs: 5_000 });
    expect(retryDelay(busy, 0, lowest)).toBe(5_000);
    expect(retryDelay(busy, 0, highest)).toBeGreaterThan(5_000);
  });

  it('is what a transport says that refuses without asking the backend, however often it failed before', () => {
    const open = new CleoError('E_TRANSPORT_UNREACHABLE', 'not asked for now', {
      retryAfterMs: 2_000,
      details: { local: true },
    });
    expect(retryDelay(open, 9, lowest)).toBe(2_000);
    expect(retryDelay(open, 9, highest)).toBeCloseTo(2_200, 0);
  });

  it('takes no more than a quarter of an hour from a backend that asks for an age', () => {
    const busy = new WireError('E_RATE_LIMIT', 'slow down', { retryAfterMs: 1e12 });
    expect(retryDelay(busy, 0, lowest)).toBe(900_000);
  });

  it('tries a refused key three times in ten seconds, then once in thirty', () => {
    const refused = new WireError('E_AUTH_UNAUTHORIZED', 'who are you?');
    for (const random of [lowest, highest]) {
      const starts = [0];
      for (let failures = 0; failures < 6; failures++)
        starts.push(starts.at(-1)! + retryDelay(refused, failures, random));
      expect(starts.filter((at) => at <= 10_000)).toHaveLength(3);
      for (const [index, at] of starts.entries())
        if (index > 3) expect(at - starts[index - 1]!).toBeGreaterThanOrEqual(30_000);
    }
  });
});

it('a refused key waits 2 s, 6 s, then 30 s each time, and a tenth more by chance', () => {
  expect([0, 1, 2, 3, 50].map((refusals) => refusedKeyDelay(refusals, lowest))).toEqual([
    2_000, 6_000, 30_000, 30_000, 30_000,
  ]);
  expect(refusedKeyDelay(0, highest)).toBeCloseTo(2_200, 0);
});
