import { describe, expect, it } from 'vitest';
import { dueAge, KeyAge } from './key-age.ts';
import { SteadyClock } from './steady-clock.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ISSUED = '2026-01-01T00:00:00Z';
const issuedAt = Date.parse(ISSUED);

/** Clocks that a test moves; the backend's time is unknown until it is set. */
function clocks() {
  const at = { steady: 0, host: issuedAt, backend: undefined as number | undefined };
  const age = new KeyAge({ steady: () => at.steady, backend: () => at.backend, host: () => at.host });
  const pass = (ms: number) => {
    at.steady += ms;
    at.host += ms;
    if (at.backend !== undefined) at.backend += ms;
  };
  return { at, age: (key = 'k', issued: string | undefined = ISSUED) => age.of(key, issued), pass };
}

describe('the age of a key', () => {
  it('counts from its issue, by the clock of the backend', () => {
    const { at, age, pass } = clocks();
    at.host = issuedAt - 24 * HOUR;
    at.backend = issuedAt + 2 * HOUR;
    expect(age()).toBe(2 * HOUR);
    pass(HOUR);
    expect(age()).toBe(3 * HOUR);
  });

  it('takes the word of the backend as soon as that is known', () => {
    const { at, age } = clocks();
    at.host = issuedAt + 24 * HOUR;
    expect(age()).toBe(24 * HOUR);
    at.backend = issuedAt + HOUR;
    expect(age()).toBe(HOUR);
  });

  it.each([-24, 24])('is the same after the host’s clock was set by %d hours', (hours) => {
    for (const known of [true, false]) {
      const { at, age, pass } = clocks();
      if (known) at.backend = issuedAt;
      pass(5 * HOUR);
      expect(age()).toBe(5 * HOUR);
      at.host += hours * HOUR;
      pass(HOUR);
      expect(age()).toBe(6 * HOUR);
    }
  });

  it('begins at first sight where the issue is unknown, or lies ahead', () => {
    for (const issued of [undefined, 'yesterday', '2999-01-01T00:00:00Z']) {
      const { at, age, pass } = clocks();
      expect(age('k', issued as string)).toBe(0);
      pass(HOUR);
      expect(age('k', issued as string)).toBe(HOUR);
      at.backend = at.host;
      pass(HOUR);
      expect(age('k', issued as string)).toBe(2 * HOUR);
    }
  });

  it('begins anew with another key', () => {
    const { age, pass } = clocks();
    age();
    pass(DAY);
    expect(age('other', new Date(issuedAt + DAY).toISOString())).toBe(0);
  });
});

describe('the age at which a key is due', () => {
  it('is the same for the same key after each restart', () => {
    expect(dueAge('bob', ISSUED, DAY)).toBe(dueAge('bob', ISSUED, DAY));
  });

  it('lies between 70 and 90 % of its lifetime, and a thousand agents spread over more than 15 %', () => {
    const ages = Array.from({ length: 1_000 }, (_, n) => dueAge(`agent-${n}`, ISSUED, 100));
    expect(Math.min(...ages)).toBeGreaterThanOrEqual(70);
    expect(Math.max(...ages)).toBeLessThan(90);
    expect(Math.max(...ages) - Math.min(...ages)).toBeGreaterThan(15);
    // None of 20 slices holds far more than its share of 50.
    const slices = Object.groupBy(ages, (age) => Math.floor(age));
    expect(Math.max(...Object.values(slices).map((slice) => slice!.length))).toBeLessThan(90);
  });
});

it('the steady clock goes with whichever of its clocks has gone further, and counts the sleep of the host', () => {
  const at = { monotonic: 1_000, uptime: 50_000 };
  const clock = new SteadyClock([() => at.monotonic, () => at.uptime]);
  expect(clock.now()).toBe(0);
  at.monotonic += 20;
  at.uptime += 10;
  expect(clock.now()).toBe(20);
  at.uptime += 60_000;
  expect(clock.now()).toBe(60_010);
});

it('the steady clock of this machine goes on', async () => {
  const clock = new SteadyClock();
  const before = clock.now();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(clock.now()).toBeGreaterThan(before);
});
