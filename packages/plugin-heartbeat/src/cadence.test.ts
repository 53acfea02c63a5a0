import { seeded } from '@cleocode/contracts/testing';
import { describe, expect, it } from 'vitest';
import { Cadence } from './cadence.ts';

const INTERVAL_MS = 30_000;
const AGENTS = 200;

/** The moments at which an agent beats, in milliseconds from `beginAt` on; every beat takes no time. */
function beats(cadence: Cadence, beginAt: number, endAt: number): number[] {
  const at: number[] = [];
  cadence.begin(beginAt);
  while (cadence.dueAt < endAt) {
    at.push(cadence.dueAt);
    cadence.advance(cadence.dueAt);
  }
  return at;
}

function perSecond(moments: number[], fromMs: number, toMs: number): number[] {
  const buckets = new Array<number>((toMs - fromMs) / 1_000).fill(0);
  for (const at of moments) if (at >= fromMs && at < toMs) buckets[Math.floor((at - fromMs) / 1_000)]! += 1;
  return buckets;
}

function evenly(buckets: number[]): boolean {
  const mean = buckets.reduce((sum, count) => sum + count) / buckets.length;
  return Math.max(...buckets) <= 3 * mean;
}

it('begins within two seconds, or within the interval where that is shorter', () => {
  const random = seeded(1);
  for (const [intervalMs, within] of [
    [INTERVAL_MS, 2_000],
    [500, 500],
  ] as const) {
    const cadence = new Cadence(intervalMs, random);
    const firsts = Array.from({ length: 1_000 }, () => {
      cadence.begin(7_000);
      return cadence.dueAt - 7_000;
    });
    expect(Math.min(...firsts)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...firsts)).toBeLessThan(within);
    expect(Math.max(...firsts)).toBeGreaterThan(within * 0.9);
  }
});

it('waits the interval or up to a tenth less, and never longer', () => {
  const at = beats(new Cadence(INTERVAL_MS, seeded(2)), 0, 3_600_000);
  const waits = at.slice(1).map((moment, index) => moment - at[index]!);
  expect(waits[0]).toBeLessThan(INTERVAL_MS);
  expect(Math.max(...waits)).toBeLessThanOrEqual(INTERVAL_MS);
  expect(Math.min(...waits.slice(1))).toBeGreaterThanOrEqual(0.9 * INTERVAL_MS);
  expect(Math.max(...waits.slice(1)) - Math.min(...waits.slice(1))).toBeGreaterThan(0.09 * INTERVAL_MS);
});

it('makes up for nothing that was missed', () => {
  const cadence = new Cadence(INTERVAL_MS, seeded(12));
  beats(cadence, 0, 60_000);
  cadence.advance(600_000);
  expect(cadence.dueAt).toBeGreaterThan(600_000);
  expect(cadence.dueAt).toBeLessThan(600_000 + INTERVAL_MS);
});

describe('200 agents', () => {
  it.each([3, 4, 5, 6])(
    'started together are spread over the seconds once the first beat is told (%i)',
    (seed) => {
      const random = seeded(seed);
      const agents = Array.from({ length: AGENTS }, () =>
        beats(new Cadence(INTERVAL_MS, random), 0, 600_000),
      );
      const later = agents.flatMap((at) => at.slice(1));
      expect(evenly(perSecond(later, 0, 600_000))).toBe(true);
    },
  );

  it.each([7, 8, 9, 10])(
    'cut off together are spread again, though all come back in the same second (%i)',
    (seed) => {
      const random = seeded(seed);
      const after = Array.from({ length: AGENTS }, () => {
        const cadence = new Cadence(INTERVAL_MS, random);
        beats(cadence, 0, 60_000);
        const at: number[] = [];
        for (let now = 600_000; now < 900_000; now = cadence.dueAt) {
          cadence.advance(now);
          at.push(cadence.dueAt);
        }
        return at;
      }).flat();
      expect(evenly(perSecond(after, 600_000, 900_000))).toBe(true);
      expect(evenly(perSecond(after, 600_000, 630_000))).toBe(true);
    },
  );
});
