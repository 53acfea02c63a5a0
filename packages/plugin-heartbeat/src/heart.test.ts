import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  type Agent,
  CleoError,
  type IntakeHealth,
  type PresenceStatus,
  type Stall,
  WireError,
} from '@cleocode/contracts';
import { MockTransport, seeded } from '@cleocode/contracts/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { blackHole, PresenceTransport } from './heart.test.kit.ts';
import { Heart, type HeartOptions } from './heart.ts';

const INTERVAL_MS = 30_000;
const BELIEVED_MS = 90_000;
const DAY_MS = 86_400_000;

let transport: PresenceTransport;
let health: IntakeHealth;
let events: unknown[][];
let stop: AbortController;
let ended: Promise<void>;

beforeEach(() => {
  vi.useFakeTimers();
  transport = new PresenceTransport();
  health = { budgetMs: 10_000, lastReceiveAgeMs: 0 };
  events = [];
  stop = new AbortController();
  ended = Promise.resolve();
});

afterEach(async () => {
  stop.abort();
  await vi.advanceTimersByTimeAsync(2_000);
  await ended;
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function begin(options: Partial<HeartOptions> = {}): Heart {
  const heart = new Heart({
    transport,
    intervalMs: INTERVAL_MS,
    instanceId: 'this-one',
    random: seeded(11),
    onError: ({ code }: CleoError) => void events.push(['error', code]),
    onRecovered: (failures: number) => void events.push(['recovered', failures]),
    onChange: (status: PresenceStatus, problems) =>
      void events.push([status, ...problems.map(({ code }) => code)]),
    onStall: (stall: Stall) => void events.push(['stall', stall]),
    ...options,
  });
  ended = heart.run(stop.signal);
  return heart;
}

const intake = { health: () => health };
const run = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const refused = () => new WireError('E_AUTH_INVALID_TOKEN', 'this key is not known');
const unreachable = () => new CleoError('E_TRANSPORT_UNREACHABLE', 'nobody is there', { retryable: true });

/** Both clocks go on and nothing runs, as in a process that is stopped. Once in a test. */
function standStill(ms: number): void {
  const now = performance.now;
  vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + ms);
  vi.setSystemTime(Date.now() + ms);
}

/** Where the beats of a time of this length fall in it, in whole milliseconds; `disturb` is done on the way. */
async function beatsWithin(ms: number, disturb: () => void): Promise<number[]> {
  transport = new PresenceTransport();
  stop = new AbortController();
  const beganAt = performance.now();
  begin();
  await run(ms / 6);
  disturb();
  await run(ms - ms / 6);
  const at = transport.said.map((said) => Math.round(said.at - beganAt));
  stop.abort();
  await run(0);
  await ended;
  return at;
}

/** An agent whose key `onListener` learns to rotate. */
function keyHolder(onListener: (rotate: () => void) => void = () => {}, unlisten: () => void = () => {}) {
  const onChange: Agent['onChange'] = (listener) => {
    onListener(() => listener(undefined as never));
    return unlisten;
  };
  return { onChange, reportUnauthorized: vi.fn<Agent['reportUnauthorized']>() };
}

/** The longest time without a beat that `isTaken`, over ten minutes from a first one that is. */
async function longestGap(isTaken: (nth: number) => boolean): Promise<number> {
  let last: number | undefined;
  let longest = 0;
  const { answer } = transport;
  transport.answer = async (nth, report, signal) => {
    const now = performance.now();
    if (isTaken(nth)) {
      longest = Math.max(longest, now - (last ?? now));
      last = now;
    } else await answer(nth, report, signal);
  };
  begin();
  await run(600_000);
  return Math.max(longest, performance.now() - last!);
}

describe('a beat', () => {
  it('goes out within two seconds, then at least once an interval, and names its process', async () => {
    const beganAt = performance.now();
    begin();
    await run(600_000);
    expect(transport.said[0]!.at - beganAt).toBeLessThanOrEqual(2_000);
    expect(Math.max(...transport.waits)).toBeLessThanOrEqual(INTERVAL_MS + 2);
    expect(Math.min(...transport.waits.slice(1))).toBeGreaterThanOrEqual(0.9 * INTERVAL_MS);
    const each = { status: 'online', instanceId: 'this-one', method: 'heartbeat' };
    expect(transport.said).toEqual(transport.said.map(({ at }) => ({ at, ...each })));
    expect(events).toEqual([['online']]);
  });

  it('keeps its time when the wall clock is put back or forward, and forward is told once more', async () => {
    const undisturbed = await beatsWithin(600_000, () => {});
    expect(undisturbed.length).toBeGreaterThan(20);
    expect(await beatsWithin(600_000, () => vi.setSystemTime(Date.now() - DAY_MS))).toEqual(undisturbed);
    const forward = await beatsWithin(600_000, () => vi.setSystemTime(Date.now() + DAY_MS));
    expect(forward.filter((at) => !undisturbed.includes(at))).toEqual([100_500]);
    expect(forward).toEqual(expect.arrayContaining(undisturbed));
    expect(transport.statuses).not.toContain('busy');
  });

  it.each([
    [INTERVAL_MS, 10_000],
    [300_000, 10_000],
    [3_000, 1_000],
  ])('every %i ms has %i ms to get through', async (intervalMs, deadlineMs) => {
    const lasted: number[] = [];
    transport.answer = async (_nth, _report, signal) => {
      const begun = performance.now();
      await blackHole(signal).finally(() => lasted.push(performance.now() - begun));
    };
    begin({ intervalMs });
    await run(20_000);
    expect(lasted[0]).toBe(deadlineMs);
    expect(events).toEqual([['error', 'E_TRANSPORT_TIMEOUT']]);
  });

  it('is sent by setStatus where the transport has nothing else', async () => {
    const setStatus = transport.setStatus.bind(transport);
    begin({ transport: Object.assign(new MockTransport(), { setStatus }) });
    await run(2_000);
    expect(transport.said).toMatchObject([{ method: 'setStatus', status: 'online' }]);
  });
});

describe('of three beats two', () => {
  const everyThird = (nth: number) => nth % 3 === 2;

  it('may fail, and the agent stays online', async () => {
    transport.answer = () => Promise.reject(unreachable());
    expect(await longestGap(everyThird)).toBeLessThan(INTERVAL_MS + 2_000);
  });

  it('may vanish in a black hole, and the agent stays online', async () => {
    transport.answer = (_nth, _report, signal) => blackHole(signal);
    expect(await longestGap(everyThird)).toBeLessThan(BELIEVED_MS);
  });

  it('may get lost behind the back of everybody, and the agent stays online', async () => {
    expect(await longestGap(everyThird)).toBeLessThan(BELIEVED_MS);
  });
});

describe('a beat that fails', () => {
  it('is tried again soon, then later and later, up to the interval', async () => {
    transport.answer = () => Promise.reject(unreachable());
    const heart = begin({ random: () => 1 });
    await run(200_000);
    expect(transport.waits.slice(0, 9)).toEqual([
      250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
    ]);
    expect(heart.status()).toMatchObject({
      state: 'unknown',
      consecutiveFailures: transport.said.length,
      lastError: { code: 'E_TRANSPORT_UNREACHABLE', message: 'nobody is there' },
    });
  });

  it('is told of once, and once more when beats get through again', async () => {
    transport.answer = (nth) => {
      if (nth < 3) throw unreachable();
      if (nth < 5) throw new TypeError('fetch failed');
    };
    const heart = begin();
    await run(60_000);
    expect(events).toEqual([
      ['error', 'E_TRANSPORT_UNREACHABLE'],
      ['error', 'E_TRANSPORT_FAILED'],
      ['recovered', 5],
      ['online'],
    ]);
    expect(heart.status()).toMatchObject({ state: 'online', consecutiveFailures: 0 });
    expect(heart.status()).not.toHaveProperty('lastError');
  });

  it('makes the state unknown once the backend has no reason to believe the last one', async () => {
    const heart = begin();
    await run(2_000);
    transport.answer = () => Promise.reject(unreachable());
    await run(BELIEVED_MS - 5_000);
    expect(heart.status()).toMatchObject({ state: 'online' });
    await run(5_000);
    expect(heart.status()).toMatchObject({ state: 'unknown', lastBeatAgeMs: expect.any(Number) });
  });

  it('is not tried again before the backend wants it', async () => {
    transport.answer = (nth) => {
      if (nth === 0) throw new WireError('E_RATE_LIMIT', 'slow down', { retryAfterMs: 70_000 });
    };
    let rotate = () => {};
    const agent = keyHolder((listener) => {
      rotate = listener;
    });
    begin({ intake, agent });
    await run(10_000);
    // Not even for these.
    rotate();
    standStill(20_000);
    await run(100_000);
    expect(transport.waits[0]).toBeGreaterThanOrEqual(70_000);
    expect(transport.waits[0]).toBeLessThanOrEqual(77_500);
  });

  it('for its key is tried at most twice a minute, and the holder of the key is told each time', async () => {
    transport.answer = () => Promise.reject(refused());
    const agent = keyHolder();
    begin({ agent });
    await run(300_000);
    expect(Math.min(...transport.waits)).toBeGreaterThanOrEqual(30_000);
    expect(transport.said.length).toBeGreaterThanOrEqual(9);
    expect(agent.reportUnauthorized).toHaveBeenCalledTimes(transport.said.length);
    expect(agent.reportUnauthorized).toHaveBeenCalledWith(
      expect.objectContaining({ code: 'E_AUTH_INVALID_TOKEN' }),
    );
  });

  it('for its key is tried within seconds when there is a new one', async () => {
    let rotate = () => {};
    const unlisten = vi.fn();
    const agent = keyHolder((listener) => {
      rotate = listener;
    }, unlisten);
    begin({ agent });
    await run(2_000);
    rotate();
    await run(1_000);
    expect(transport.said).toHaveLength(1);
    transport.answer = (nth) => {
      if (nth === 1) throw refused();
    };
    await run(INTERVAL_MS);
    expect(transport.said).toHaveLength(2);
    rotate();
    await run(3_000);
    expect(transport.said).toHaveLength(3);
    stop.abort();
    await run(0);
    expect(unlisten).toHaveBeenCalledOnce();
  });
});

it('does not beat on and on where every key is refused and there is a new one each time', async () => {
  transport.answer = () => Promise.reject(refused());
  let rotate = () => {};
  const agent = keyHolder((listener) => {
    rotate = listener;
  });
  agent.reportUnauthorized.mockImplementation(() => rotate());
  begin({ agent });
  await run(30_000);
  expect(Math.min(...transport.waits)).toBeGreaterThanOrEqual(1_000);
});

describe('what it says', () => {
  it('is busy and why once the agent does not hear, within seconds, and online again as soon', async () => {
    const heart = begin({ intake });
    await run(10_000);
    const before = transport.said.length;
    health.lastReceiveAgeMs = 21_000;
    await run(3_000);
    expect(transport.said.slice(before)).toMatchObject([
      { status: 'busy', reason: 'not_receiving: nothing proves that messages arrive' },
    ]);
    expect(heart.status()).toMatchObject({ state: 'busy', problems: [{ code: 'not_receiving' }] });
    health.lastReceiveAgeMs = 0;
    await run(3_000);
    expect(transport.said.at(-1)).toMatchObject({ status: 'online' });
    expect(transport.said.at(-1)).not.toHaveProperty('reason');
    expect(heart.status()).toMatchObject({ state: 'online', problems: [] });
    expect(events).toEqual([['online'], ['busy', 'not_receiving'], ['online']]);
  });

  it('does not flood the backend, however often it changes', async () => {
    let calls = 0;
    const flapping = { health: () => ({ budgetMs: 1, lastReceiveAgeMs: calls++ % 2 ? 0 : 100 }) };
    begin({ intake: flapping });
    await run(60_000);
    expect(transport.said.length).toBeLessThanOrEqual(25);
  });

  it('is repeated until it has got through', async () => {
    begin({ intake });
    await run(10_000);
    health.lastReceiveAgeMs = 21_000;
    const before = transport.said.length;
    transport.answer = (nth) => {
      if (nth < before + 2) throw unreachable();
    };
    await run(5_000);
    expect(transport.statuses.slice(before)).toEqual(['busy', 'busy', 'busy']);
  });

  it('waits for a backend that is away, as every beat does', async () => {
    begin({ intake, random: () => 1 });
    await run(10_000);
    const before = transport.said.length;
    transport.answer = () => Promise.reject(unreachable());
    health.lastReceiveAgeMs = 21_000;
    await run(120_000);
    expect(transport.waits.slice(before, before + 8)).toEqual([
      250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000,
    ]);
  });

  it('is never longer than a backend takes', async () => {
    health = { budgetMs: 1, lastReceiveAgeMs: 0, problem: { code: 'E_LONG'.repeat(1_000), message: 'no' } };
    begin({ intake });
    await run(10_000);
    expect(transport.said.at(-1)!.reason).toHaveLength(200);
  });
});

describe('after this process stood still', () => {
  it('it says at once that it does not know whether it hears, and online when that is proven', async () => {
    const heart = begin({ intake: { health: () => ({ ...health, lastReceiveAgeMs: heard() }) } });
    let heardAt = performance.now();
    const heard = () => performance.now() - heardAt;
    await run(10_000);
    heardAt = performance.now();
    const before = transport.said.length;
    standStill(6_000);
    await run(500);
    expect(events.at(-2)).toEqual(['stall', { gapMs: 6_000, certain: true }]);
    expect(transport.said.slice(before)).toMatchObject([
      { status: 'busy', reason: 'stalled: stood still, and has not heard anything since' },
    ]);
    expect(heart.status()).toMatchObject({ lastStall: { gapMs: 6_000, certain: true } });
    await run(60_000);
    expect(transport.statuses.slice(before)).not.toContain('online');
    heardAt = performance.now();
    await run(3_000);
    expect(transport.statuses.at(-1)).toBe('online');
  });

  it('the beat in flight is not waited for', async () => {
    transport.answer = (nth, _report, signal) => (nth === 1 ? blackHole(signal) : undefined);
    begin();
    while (transport.said.length < 2) await run(100);
    standStill(6_000);
    await run(500);
    expect(transport.said).toHaveLength(3);
    expect(events.map(([what]) => what)).toEqual(['online', 'stall']);
  });

  it('for less than it takes to notice, nothing happens', async () => {
    begin({ intervalMs: 1_000 });
    await run(10_000);
    standStill(900);
    await run(500);
    expect(events).toEqual([['online']]);
  });
});

describe('the last word', () => {
  async function stopWithin(ms: number): Promise<boolean> {
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    stop.abort();
    await run(ms);
    return isOver;
  }

  it('is offline, by the same process', async () => {
    const heart = begin();
    await run(10_000);
    expect(await stopWithin(0)).toBe(true);
    expect(transport.said.at(-1)).toMatchObject({
      method: 'setStatus',
      status: 'offline',
      instanceId: 'this-one',
    });
    expect(heart.status()).toMatchObject({ running: false, state: 'offline' });
    await run(600_000);
    expect(transport.statuses.filter((status) => status === 'offline')).toHaveLength(1);
    expect(transport.statuses.at(-1)).toBe('offline');
    expect(heart.status()).toMatchObject({ state: 'offline' });
  });

  it('goes out by a heartbeat where the transport has no setStatus', async () => {
    const beat = transport.heartbeat.bind(transport);
    begin({ transport: Object.assign(new MockTransport(), { heartbeat: beat }) });
    await run(10_000);
    await stopWithin(0);
    expect(transport.said.at(-1)).toMatchObject({ method: 'heartbeat', status: 'offline' });
  });

  it('comes after the beat in flight, which is aborted', async () => {
    const taken: string[] = [];
    transport.answer = async (_nth, { status }, signal) => {
      if (status === 'online') await blackHole(signal);
      taken.push(status);
    };
    begin();
    await run(2_000);
    expect(await stopWithin(0)).toBe(true);
    expect(transport.statuses).toEqual(['online', 'offline']);
    expect(taken).toEqual(['offline']);
  });

  it('waits for a beat that cannot be aborted, though not for long', async () => {
    const taken: string[] = [];
    transport.answer = async (_nth, { status }) => {
      if (status === 'online') await new Promise((resolve) => setTimeout(resolve, 2_200));
      taken.push(status);
    };
    begin({ random: () => 0 });
    await run(2_000);
    expect(await stopWithin(200)).toBe(true);
    expect(taken).toEqual(['online', 'offline']);

    stop = new AbortController();
    transport.answer = (_nth, { status }) => (status === 'online' ? new Promise(() => {}) : undefined);
    begin({ random: () => 0 });
    await run(100);
    expect(await stopWithin(499)).toBe(false);
    await run(1);
    expect(transport.statuses.at(-1)).toBe('offline');
  });

  it('is tried again while there is time', async () => {
    begin();
    await run(10_000);
    const before = transport.said.length;
    transport.answer = (nth) => {
      if (nth < before + 2) throw unreachable();
    };
    expect(await stopWithin(1_000)).toBe(true);
    expect(transport.statuses.slice(before)).toEqual(['offline', 'offline', 'offline']);
    expect(events.slice(-3)).toEqual([['error', 'E_TRANSPORT_UNREACHABLE'], ['recovered', 2], ['offline']]);
  });

  it('takes two seconds at most, and is given up then', async () => {
    const heart = begin();
    await run(10_000);
    transport.answer = () => new Promise(() => {});
    expect(await stopWithin(1_999)).toBe(false);
    await run(1);
    await ended;
    expect(heart.status()).toMatchObject({ running: false, state: 'online', consecutiveFailures: 1 });
    expect(events.at(-1)).toEqual(['error', 'E_TRANSPORT_TIMEOUT']);
  });

  it('is tried once where the backend was away before', async () => {
    transport.answer = () => Promise.reject(unreachable());
    begin();
    await run(60_000);
    const before = transport.said.length;
    expect(await stopWithin(0)).toBe(true);
    expect(transport.statuses.slice(before)).toEqual(['offline']);
  });

  it('is not said where the backend wants to hear nothing', async () => {
    transport.answer = () => Promise.reject(refused());
    begin();
    await run(2_000);
    expect(await stopWithin(0)).toBe(true);
    expect(transport.statuses).toEqual(['online']);
  });

  it('is not said where nothing was said before', async () => {
    const heart = begin({ random: () => 1 });
    await run(1_999);
    expect(await stopWithin(0)).toBe(true);
    expect(transport.said).toEqual([]);
    expect(heart.status()).toMatchObject({ running: false, state: 'off' });
  });

  it('is all there is when the stop comes with a beat that is due', async () => {
    begin({ random: () => 0 });
    stop.abort();
    await run(2_000);
    expect(transport.said).toEqual([]);
  });
});

it('stands down where the transport knows no presence, and says so once', async () => {
  const heart = begin({ transport: new MockTransport() });
  await ended;
  expect(events).toEqual([['error', 'E_HEARTBEAT_UNSUPPORTED']]);
  expect(heart.status()).toMatchObject({ running: false, state: 'unsupported' });
});

it('does nothing at an interval of 0', async () => {
  const heart = begin({ intervalMs: 0 });
  await ended;
  expect(transport.said).toEqual([]);
  expect(events).toEqual([]);
  expect(heart.status()).toMatchObject({ running: false, state: 'off', problems: [] });
});

it('leaves nothing behind, beat after beat', async () => {
  const collect = collector();
  let beats = 0;
  const counting = new PresenceTransport();
  counting.heartbeat = async () => {
    beats += 1;
    if (beats % 10 === 0) throw unreachable();
  };
  begin({ transport: counting, intervalMs: 1_000, intake, onError: () => {}, onRecovered: () => {} });
  await run(1_000_000);
  const before = { beats, timers: vi.getTimerCount(), bytes: collect() };
  await run(9_500_000);
  expect(beats - before.beats).toBeGreaterThan(10_000);
  expect(vi.getTimerCount()).toBe(before.timers);
  expect(collect() - before.bytes).toBeLessThan(1_000_000);
});

/** Answers how many bytes are in use once the garbage is gone. */
function collector(): () => number {
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  return () => {
    gc();
    return process.memoryUsage().heapUsed;
  };
}
