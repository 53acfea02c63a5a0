import { CleoError } from '@cleocode/contracts';
import { seeded } from '@cleocode/contracts/testing';
import { describe, expect, it } from 'vitest';
import { ReconnectPolicy } from './reconnect-policy.ts';

const error = (code: string, retryAfterMs?: number) =>
  new CleoError(code, code, retryAfterMs === undefined ? {} : { retryAfterMs });
const ENDED = error('E_STREAM_ENDED');
const REFUSED = error('E_TRANSPORT_UNREACHABLE');

describe('the wait before the next connection', () => {
  it('doubles from half a second to thirty, half of it by chance, also the first', () => {
    const [least, most] = [new ReconnectPolicy(() => 0), new ReconnectPolicy(() => 1)];
    const waits = Array.from({ length: 9 }, () => [least.delay(REFUSED, 0), most.delay(REFUSED, 0)]);
    expect(waits).toEqual([
      [250, 500],
      [500, 1_000],
      [1_000, 2_000],
      [2_000, 4_000],
      [4_000, 8_000],
      [8_000, 16_000],
      [15_000, 30_000],
      [15_000, 30_000],
      [15_000, 30_000],
    ]);
  });

  it('goes on growing until a stream was good for a minute', () => {
    const policy = new ReconnectPolicy(() => 0);
    const waits = [0, 1, 2, 59_999, 60_000].map((goodMs) => policy.delay(ENDED, goodMs));
    expect(waits).toEqual([250, 500, 1_000, 2_000, 250]);
  });

  it('is spread over ten seconds more for a stream that was there', () => {
    const policy = new ReconnectPolicy(() => 1);
    expect(policy.delay(ENDED, 1)).toBe(500 + 10_000);
    expect(policy.delay(REFUSED, 0)).toBe(1_000 + 10_000);
    for (let n = 0; n < 10; n++) policy.delay(REFUSED, 0);
    expect(policy.delay(REFUSED, 0)).toBe(30_000);
  });

  it('is at most half a second after silence, which was waited for', () => {
    const policy = new ReconnectPolicy(() => 1);
    expect(policy.delay(error('E_STREAM_SILENT'), 75_000)).toBe(500);
    expect(policy.delay(REFUSED, 0)).toBe(500 + 10_000);
  });

  it.each([
    [1, 250],
    [1_000, 1_000],
    [3_600_000, 60_000],
  ])('doubles from what `retry: %i` says, within bounds', (retry, base) => {
    const policy = new ReconnectPolicy(() => 1);
    policy.begin();
    policy.setBase(retry);
    expect(policy.delay(REFUSED, 0)).toBe(base);
  });

  it.each([
    [0, 7_000, 7_000],
    [1, 10_500, 14_000 + 10_000],
  ])(
    'is what the server has named as it went, or up to half more, once (random: %i)',
    (random, wait, next) => {
      const policy = new ReconnectPolicy(() => random);
      policy.begin();
      policy.setBase(1_000);
      policy.setBase(7_000);
      expect(policy.delay(ENDED, 90_000)).toBe(wait);
      policy.begin();
      expect(policy.delay(REFUSED, 0)).toBe(next);
    },
  );

  it('is never shorter than what was asked for, and not the same for all', () => {
    const [least, most] = [new ReconnectPolicy(() => 0), new ReconnectPolicy(() => 1)];
    expect(least.delay(error('E_RATE_LIMIT', 5_000), 0)).toBe(5_000);
    expect(most.delay(error('E_RATE_LIMIT', 5_000), 0)).toBe(5_500);
    expect(least.delay(error('E_STREAM_UNAVAILABLE', 3_600_000), 0)).toBe(3_600_000);
    expect(least.delay(error('E_RATE_LIMIT', 1e12), 0)).toBe(3_600_000);
  });

  it('gives a refused key three tries in ten seconds, then one in thirty, and forgets nothing else', () => {
    const policy = new ReconnectPolicy(() => 0);
    policy.delay(REFUSED, 0);
    const waits = Array.from({ length: 4 }, () => policy.delay(error('E_AUTH_UNAUTHORIZED'), 0));
    expect(waits).toEqual([2_000, 6_000, 30_000, 30_000]);
    expect(policy.delay(REFUSED, 0)).toBe(500);
    expect(policy.delay(error('E_AUTH_FORBIDDEN'), 0)).toBe(2_000);
  });

  it('asks a server that is down no more than 40 times in ten minutes', () => {
    const random = seeded(1);
    for (let client = 0; client < 100; client++) {
      const policy = new ReconnectPolicy(random);
      let attempts = 0;
      for (let t = 0; t < 600_000; t += policy.delay(REFUSED, 0)) attempts += 1;
      expect(attempts).toBeLessThanOrEqual(40);
    }
  });
});

describe('500 clients that have lost their streams', () => {
  it.each([
    ['the server was killed', 0],
    ['the server was killed', 2_000],
    ['the server was killed', 10_000],
    ['the server was killed', 60_000],
    ['the server said good-bye', 0],
    ['the server said good-bye', 2_000],
    ['the server said good-bye', 10_000],
  ])('do not come back in one second: %s and is back after %i ms', (how, downMs) => {
    const random = seeded(3);
    const back: number[] = [];
    for (let client = 0; client < 500; client++) {
      const policy = new ReconnectPolicy(random);
      policy.begin();
      policy.setBase(1_000);
      // As ours does: each stream is given its own wait.
      if (how === 'the server said good-bye') policy.setBase(1_000 * (1 + random() * 9));
      let t = policy.delay(ENDED, 120_000);
      while (t < downMs) {
        policy.begin();
        t += policy.delay(REFUSED, 0);
      }
      back.push(t);
      expect(t).toBeLessThan(downMs + 35_000);
    }
    // Whichever second it is, not only those that begin with a full one.
    const inSecondFrom = (at: number) => back.filter((t) => t >= at && t < at + 1_000).length;
    expect(Math.max(...back.map(inSecondFrom)) / 500).toBeLessThanOrEqual(0.2);
  });
});
