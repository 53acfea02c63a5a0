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

  it('is spread over ten seconds more for a stream that was there, then twice over twice as many', () => {
    const policy = new ReconnectPolicy(() => 1);
    expect(policy.delay(ENDED, 1)).toBe(500 + 10_000);
    expect(policy.delay(REFUSED, 0)).toBe(1_000 + 20_000);
    expect(policy.delay(REFUSED, 0)).toBe(2_000 + 20_000);
    expect(policy.delay(REFUSED, 0)).toBe(4_000 + 10_000);
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
    [0, 7_000, 5_000],
    [1, 10_500, 10_000 + 20_000],
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

describe('clients that have lost their streams', () => {
  /** The share of them that is back in the same second, `downMs` after the loss or later. */
  function crowd(clients: number, farewell: boolean, downMs: number, random: () => number): number {
    const back: number[] = [];
    for (let client = 0; client < clients; client++) {
      const policy = new ReconnectPolicy(random);
      policy.begin();
      policy.setBase(1_000);
      // As ours does: each stream is given its own wait.
      if (farewell) policy.setBase(1_000 * (1 + random() * 9));
      let t = policy.delay(ENDED, 120_000);
      while (t < downMs) {
        policy.begin();
        t += policy.delay(REFUSED, 0);
      }
      back.push(t);
    }
    back.sort((a, b) => a - b);
    expect(back.at(-1)).toBeLessThan(downMs + 35_000);
    // Whichever second it is, not only those that begin with a full one.
    let most = 0;
    for (let [from, to] = [0, 0]; to < clients; to++) {
      while (back[to]! - back[from]! >= 1_000) from++;
      most = Math.max(most, to - from + 1);
    }
    return most / clients;
  }
  const DOWN_MS = [0, 1_000, 2_000, 3_000, 5_000, 8_000, 10_000, 15_000, 20_000, 30_000, 60_000];

  it.each(DOWN_MS)(
    'do not come back in one second when the server was killed and is back after %i ms',
    (downMs) => {
      for (let seed = 1; seed <= 30; seed++)
        expect(crowd(500, false, downMs, seeded(seed))).toBeLessThanOrEqual(0.2);
    },
  );

  it.each(DOWN_MS)('do not when it said good-bye and is back after %i ms', (downMs) => {
    for (let seed = 1; seed <= 30; seed++)
      expect(crowd(500, true, downMs, seeded(seed))).toBeLessThanOrEqual(0.2);
  });

  it('do so seldom when they are 200, of whom one in five is soon together by chance', () => {
    const crowds = DOWN_MS.flatMap((downMs) =>
      Array.from({ length: 100 }, (_, seed) => crowd(200, false, downMs, seeded(seed))),
    );
    expect(crowds.filter((share) => share > 0.2).length / crowds.length).toBeLessThan(0.02);
  });
});
