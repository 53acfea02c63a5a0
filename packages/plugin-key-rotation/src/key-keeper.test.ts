import {
  type AgentCredential,
  type AgentRegistryAPI,
  type AuthEvent,
  type AuthStatus,
  CleoError,
  type Credential,
  type KeyRotation,
  type RotateKeyOptions,
  WireError,
} from '@cleocode/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KeyKeeper, type KeyKeeperOptions } from './key-keeper.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.parse('2026-01-01T00:00:00Z');

beforeEach(() => void vi.useFakeTimers({ now: START }));
afterEach(() => void vi.useRealTimers());

/** A registry that holds one key in memory, and a backend that makes keys as a test tells it. */
class OneKey {
  key = 'key-0';
  keyIssuedAt: string | undefined = new Date(START).toISOString();
  rotation: KeyRotation | null = null;
  /** When a rotation was asked for, by the monotonic clock. */
  readonly asked: number[] = [];
  readonly options: (RotateKeyOptions | undefined)[] = [];
  retired = 0;
  failWith: unknown;
  #made = 0;

  readonly registry = {
    get: async () => ({ agentId: 'bob', apiKey: this.key, keyIssuedAt: this.keyIssuedAt }) as AgentCredential,
    rotation: async () => this.rotation,
    retireKey: async () => {
      this.retired += 1;
      this.rotation = null;
    },
    rotateKey: async (agentId: string, options?: RotateKeyOptions) => {
      this.asked.push(performance.now());
      this.options.push(options);
      if (this.failWith !== undefined) throw this.failWith;
      return { agentId, newApiKey: this.rotated() };
    },
  };

  /** Somebody rotated the key. */
  rotated(now = Date.now()): string {
    this.#made += 1;
    this.key = `key-${this.#made}`;
    this.keyIssuedAt = new Date(now).toISOString();
    this.rotation = {
      state: 'active',
      begunAt: this.keyIssuedAt,
      previousKeyExpiresAt: new Date(now + 600_000).toISOString(),
    };
    return this.key;
  }
}

/** A keeper that runs until the test ends, and what it told. */
function running(own: OneKey, options: Partial<KeyKeeperOptions> = {}) {
  const told: string[] = [];
  const keeper = new KeyKeeper({
    agentId: () => 'bob',
    registry: own.registry as unknown as AgentRegistryAPI,
    maxKeyAgeMs: 30 * DAY,
    checkIntervalMs: HOUR,
    clock: { now: () => performance.now() },
    onRotated: () => told.push('rotated'),
    onError: ({ code, message }) => told.push(`${code}: ${message}`),
    onRecovered: (failures) => told.push(`recovered after ${failures}`),
    ...options,
  });
  const abort = new AbortController();
  const ended = keeper.run(abort.signal);
  return { keeper, told, stop: () => abort.abort(new Error('stop')), ended };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('by age', () => {
  it('a key is replaced between 70 and 90 % of its lifetime, and so is the next', async () => {
    const own = new OneKey();
    const { keeper, told } = running(own);
    await pass(21 * DAY - HOUR);
    expect(own.asked).toEqual([]);
    const { keyAgeMs, dueInMs, running: runs, lastRotationAt } = keeper.status();
    expect([runs, lastRotationAt]).toEqual([true, null]);
    expect(keyAgeMs! + dueInMs!).toBeGreaterThanOrEqual(21 * DAY);
    await pass(6 * DAY + 2 * HOUR);
    expect(own.asked).toHaveLength(1);
    expect(told).toEqual(['rotated']);
    expect(Date.parse(keeper.status().lastRotationAt!)).toBeGreaterThan(START);
    await pass(21 * DAY - 6 * DAY - 2 * HOUR);
    expect(own.asked).toHaveLength(1);
    await pass(13 * DAY);
    expect(own.asked).toHaveLength(2);
  });

  it('a key that is overdue at the start is replaced within seconds', async () => {
    const own = new OneKey();
    own.keyIssuedAt = new Date(START - 40 * DAY).toISOString();
    running(own);
    await pass(5_000);
    expect(own.asked).toHaveLength(1);
  });

  it('a short-lived key is replaced in time, whatever the interval of looks', async () => {
    const own = new OneKey();
    running(own, { maxKeyAgeMs: 2_000 });
    await pass(20_000);
    expect(own.asked.length).toBeGreaterThanOrEqual(10);
    expect(own.asked.length).toBeLessThanOrEqual(15);
  });

  it('0 begins no rotation', async () => {
    const own = new OneKey();
    own.keyIssuedAt = new Date(START - 400 * DAY).toISOString();
    const { keeper } = running(own, { maxKeyAgeMs: 0 });
    await pass(400 * DAY);
    expect(own.asked).toEqual([]);
    expect(keeper.status().dueInMs).toBeUndefined();
  });

  it.each([
    ['known', true],
    ['unknown', false],
  ])(
    'the host’s clock may jump by a day each week: three rotations in 80 days, the backend’s time %s',
    async (_, known) => {
      const own = new OneKey();
      const real = () => START + performance.now();
      const rotated = own.rotated.bind(own);
      // A key is issued at the backend's time.
      own.rotated = () => rotated(real());
      running(own, { issuer: { issue: vi.fn(), now: () => (known ? real() : undefined) } });
      for (let week = 0; week < 12; week += 1) {
        vi.setSystemTime(Date.now() + (week % 2 === 0 ? DAY : -DAY));
        await pass((80 * DAY) / 12);
      }
      expect(own.asked).toHaveLength(3);
      for (const [index, at] of own.asked.entries()) {
        const age = (at - (own.asked[index - 1] ?? 0)) / DAY;
        // A clock that is a day off when a key is first seen makes it a day older or younger, where nobody knows better.
        const off = known ? 0 : 1;
        expect(age).toBeGreaterThanOrEqual(21 - off);
        expect(age).toBeLessThanOrEqual(27.1 + off);
      }
    },
  );

  it('a rotation by another process is seen, and the age counts from there', async () => {
    const own = new OneKey();
    const listeners = new Set<() => void>();
    const onChange = (given: (credential: Credential) => void) => {
      const listener = () => given({} as Credential);
      listeners.add(listener);
      return () => void listeners.delete(listener);
    };
    const { keeper, stop, ended } = running(own, { agent: { onChange } });
    await pass(10 * DAY);
    own.rotated();
    for (const listener of listeners) listener();
    await pass(1);
    expect(keeper.status().keyAgeMs).toBeLessThan(1_000);
    stop();
    await ended;
    expect(listeners.size).toBe(0);
  });
});

describe('what was cut short', () => {
  it.each(['intent', 'stored'] as const)(
    'in the state %s goes on within seconds, even with age switched off',
    async (state) => {
      const own = new OneKey();
      own.rotation = { state, begunAt: new Date(START).toISOString() };
      running(own, { maxKeyAgeMs: 0 });
      await pass(5_000);
      expect(own.asked).toHaveLength(1);
      expect(own.rotation?.state).toBe('active');
    },
  );

  it('is one rotation for all: the key that was looked at is to be replaced, and no later one', async () => {
    const own = new OneKey();
    own.rotation = { state: 'intent', begunAt: new Date(START).toISOString() };
    running(own, { maxKeyAgeMs: 0 });
    await pass(5_000);
    expect(own.options).toEqual([expect.objectContaining({ replaces: 'key-0' })]);
  });

  it('the old key is forgotten when its overlap is over by the clock of the backend, and not before', async () => {
    const own = new OneKey();
    own.rotated();
    running(own, { maxKeyAgeMs: 0, issuer: { issue: vi.fn(), now: () => START + performance.now() } });
    vi.setSystemTime(START + DAY);
    await pass(599_000);
    expect(own.retired).toBe(0);
    await pass(2_000);
    expect(own.retired).toBe(1);
  });

  it('the old key is kept while the new one is refused', async () => {
    const own = new OneKey();
    own.rotated();
    const auth: AuthStatus = { state: 'failed', retryInMs: 0 };
    running(own, { maxKeyAgeMs: 0, agent: { auth: () => auth, onChange: () => () => {} } });
    await pass(HOUR);
    expect(own.retired).toBe(0);
    auth.state = 'ok';
    await pass(31_000);
    expect(own.retired).toBe(1);
  });

  it('an old key whose end nobody knows is kept', async () => {
    const own = new OneKey();
    own.rotation = { state: 'active', begunAt: new Date(START).toISOString() };
    running(own, { maxKeyAgeMs: 0 });
    await pass(DAY);
    expect(own.retired).toBe(0);
  });
});

describe('a rotation that fails', () => {
  const trouble = new WireError('E_INTERNAL_ERROR', 'not today');

  it('is tried again with growing waits, less than 30 times in an hour, told once, and seen in the status', async () => {
    const own = new OneKey();
    own.keyIssuedAt = new Date(START - 40 * DAY).toISOString();
    own.failWith = trouble;
    const { keeper, told } = running(own);
    await pass(HOUR);
    expect(own.asked.length).toBeLessThanOrEqual(30);
    expect(own.asked.length).toBeGreaterThanOrEqual(15);
    const waits = own.asked.slice(1).map((at, index) => at - own.asked[index]!);
    expect(waits[0]).toBeGreaterThanOrEqual(1_500);
    expect(waits[0]).toBeLessThanOrEqual(2_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(300_000);
    expect(Math.min(...waits.slice(9))).toBeGreaterThanOrEqual(225_000);
    expect(told).toEqual(['E_INTERNAL_ERROR: not today']);
    expect(keeper.status()).toMatchObject({
      running: true,
      consecutiveFailures: own.asked.length,
      problem: { code: 'rotation_failed', message: 'not today' },
      retryInMs: expect.any(Number),
    });
    expect(own.key).toBe('key-0');
    own.failWith = undefined;
    await pass(300_000);
    expect(own.key).toBe('key-1');
    expect(told.slice(1)).toEqual(['rotated', `recovered after ${own.asked.length - 1}`]);
    expect(keeper.status().consecutiveFailures).toBe(0);
    expect(keeper.status()).not.toHaveProperty('problem');
    expect(keeper.status()).not.toHaveProperty('retryInMs');
  });

  it('waits as long as the backend asks', async () => {
    const own = new OneKey();
    own.keyIssuedAt = new Date(START - 40 * DAY).toISOString();
    own.failWith = new WireError('E_RATE_LIMIT', 'slow down', { retryAfterMs: 60_000 });
    running(own);
    await pass(10 * 60_000);
    const waits = own.asked.slice(1).map((at, index) => at - own.asked[index]!);
    expect(waits[0]).toBeGreaterThanOrEqual(60_000);
    expect(waits[0]).toBeLessThanOrEqual(66_000);
  });

  it('that another process has made good meanwhile is no problem any more', async () => {
    const own = new OneKey();
    own.keyIssuedAt = new Date(START - 40 * DAY).toISOString();
    own.failWith = trouble;
    const { keeper, told } = running(own);
    await pass(60_000);
    expect(keeper.status().problem).toBeDefined();
    own.rotated();
    await pass(300_000);
    expect(keeper.status().consecutiveFailures).toBe(0);
    expect(keeper.status()).not.toHaveProperty('problem');
    expect(told.at(-1)).toMatch(/^recovered after/);
  });

  it('with something that is no error of ours is told with its cause', async () => {
    const own = new OneKey();
    own.keyIssuedAt = new Date(START - 40 * DAY).toISOString();
    own.failWith = new TypeError('x is not a function');
    const errors: CleoError[] = [];
    running(own, { onError: (error) => errors.push(error) });
    await pass(5_000);
    expect(errors).toMatchObject([
      {
        code: 'E_ROTATION_FAILED',
        message: 'the key of "bob" was not rotated: x is not a function',
        cause: own.failWith,
      },
    ]);
  });

  it('for want of somebody to ask is told once, and not tried again', async () => {
    const own = new OneKey();
    own.keyIssuedAt = new Date(START - 40 * DAY).toISOString();
    own.failWith = new CleoError('E_ROTATE_UNAVAILABLE', 'cannot be rotated from here');
    const { keeper, told } = running(own);
    await pass(40 * DAY);
    expect(own.asked).toHaveLength(1);
    expect(told).toEqual(['E_ROTATE_UNAVAILABLE: cannot be rotated from here']);
    expect(keeper.status().problem?.code).toBe('rotation_unsupported');
    expect(keeper.status()).not.toHaveProperty('retryInMs');
  });

  it('is not even begun while the key is refused, and goes on as soon as one is taken', async () => {
    const own = new OneKey();
    own.keyIssuedAt = new Date(START - 40 * DAY).toISOString();
    const auth: AuthStatus = { state: 'failed', retryInMs: 0 };
    let listener: (event: AuthEvent) => void = () => {};
    const agent = {
      auth: () => auth,
      onChange: () => () => {},
      onAuth: (given: (event: AuthEvent) => void) => {
        listener = given;
        return () => {};
      },
    };
    running(own, { agent });
    await pass(HOUR);
    expect(own.asked).toEqual([]);
    auth.state = 'ok';
    listener({ state: 'ok' });
    await pass(1);
    expect(own.asked).toHaveLength(1);
  });
});

describe('rotateNow', () => {
  it('rotates whatever the age, with the issuer and the overlap it was given', async () => {
    const own = new OneKey();
    const issuer = { issue: vi.fn() };
    const { keeper, told } = running(own, { issuer, overlapSeconds: 30 });
    await keeper.rotateNow();
    expect(own.options).toEqual([{ issuer, overlapSeconds: 30, signal: expect.any(AbortSignal) }]);
    expect(told).toEqual(['rotated']);
  });

  it('rejects with why it could not, and leaves no problem behind', async () => {
    const own = new OneKey();
    own.failWith = new WireError('E_INTERNAL_ERROR', 'not today');
    const { keeper } = running(own);
    await expect(keeper.rotateNow()).rejects.toBe(own.failWith);
    expect(keeper.status().problem).toBeUndefined();
  });
});

it('ends within two seconds while a registry does not answer', async () => {
  const own = new OneKey();
  own.keyIssuedAt = new Date(START - 40 * DAY).toISOString();
  const rotateKey = vi.fn(() => new Promise<never>(() => {}));
  const { keeper, told, stop, ended } = running(own, {
    registry: { ...own.registry, rotateKey } as unknown as AgentRegistryAPI,
  });
  await pass(5_000);
  expect(rotateKey).toHaveBeenCalledTimes(1);
  stop();
  await pass(2_000);
  await ended;
  expect(keeper.status().running).toBe(false);
  expect(told).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

it('ends at once when nothing is under way', async () => {
  const { keeper, stop, ended } = running(new OneKey());
  await pass(10_000);
  stop();
  await ended;
  expect(keeper.status().running).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});

it('a registry that does not answer is a failure after a while', async () => {
  const own = new OneKey();
  own.keyIssuedAt = new Date(START - 40 * DAY).toISOString();
  const rotateKey = () => new Promise<never>(() => {});
  const { told } = running(own, { registry: { ...own.registry, rotateKey } as unknown as AgentRegistryAPI });
  await pass(160_000);
  expect(told).toEqual(['E_ROTATION_FAILED: the registry did not answer for "bob" within 150000 ms']);
});
