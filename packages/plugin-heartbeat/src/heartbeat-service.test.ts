import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { blackHole, PresenceTransport, until } from './heart.test.kit.ts';
import { HeartbeatService, type HeartbeatServiceOptions } from './index.ts';

let transport: PresenceTransport;
let service: HeartbeatService | undefined;

beforeEach(() => {
  transport = new PresenceTransport();
});

afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  await service?.stop();
});

function begin(options: Partial<HeartbeatServiceOptions> = {}): HeartbeatService {
  service = new HeartbeatService({ transport, intervalMs: 50, ...options });
  service.start();
  return service;
}

it('needs nothing but a transport', async () => {
  service = new HeartbeatService({ transport });
  expect(service.status()).toEqual({
    running: false,
    state: 'off',
    consecutiveFailures: 0,
    problems: [],
    instanceId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  service.start();
  expect(service.status()).toMatchObject({ running: true, state: 'unknown' });
  await until(() => transport.said.length === 1);
  await until(() => service!.status().state === 'online');
  expect(service.status().lastBeatAgeMs).toBeGreaterThanOrEqual(0);
});

it.each([
  ['no transport', { transport: undefined }, /transport is missing/],
  ['what is no transport', { transport: {} }, /transport is missing/],
  ['a negative interval', { intervalMs: -1 }, /intervalMs is -1/],
  ['an interval that is no number', { intervalMs: Number.NaN }, /intervalMs is NaN/],
  ['an interval longer than a timer can wait', { intervalMs: 2 ** 31 }, /intervalMs is 2147483648/],
])('refuses %s', (_what, options, message) => {
  const make = () => new HeartbeatService({ transport, ...options } as never);
  expect(make).toThrow(
    expect.objectContaining({
      code: 'E_HEARTBEAT_OPTIONS',
      message: expect.stringMatching(message),
      hint: expect.any(String),
    }),
  );
});

it('begins once, however often it is started', async () => {
  vi.useFakeTimers();
  begin().start();
  await vi.advanceTimersByTimeAsync(10_000);
  const stopping = service!.stop();
  await vi.advanceTimersByTimeAsync(10_000);
  await stopping;
  expect(transport.statuses.indexOf('offline')).toBe(transport.said.length - 1);
  expect(vi.getTimerCount()).toBe(0);
});

it('may be started again after a stop, as the same instance', async () => {
  begin({ instanceId: 'mine' });
  await until(() => transport.said.length > 0);
  await service!.stop();
  expect(service!.status()).toMatchObject({ running: false, state: 'offline' });
  service!.start();
  expect(service!.status()).toMatchObject({ running: true, state: 'unknown' });
  await until(() => service!.status().state === 'online');
  expect(new Set(transport.said.map(({ instanceId }) => instanceId))).toEqual(new Set(['mine']));
});

it('is stopped once, by whoever asks first, and cannot be started meanwhile', async () => {
  vi.useFakeTimers();
  transport.answer = (_nth, { status }, signal) => (status === 'offline' ? blackHole(signal) : undefined);
  begin({ onError: () => {} });
  await vi.advanceTimersByTimeAsync(1_000);
  const stopping = service!.stop();
  expect(service!.stop()).toBe(stopping);
  expect(service!.status()).toMatchObject({ running: false });
  expect(() => service!.start()).toThrow(
    expect.objectContaining({ code: 'E_HEARTBEAT_STATE', hint: 'Await stop() first.' }),
  );
  await vi.advanceTimersByTimeAsync(2_000);
  await stopping;
  expect(transport.statuses.filter((status) => status === 'offline')).toHaveLength(1);
});

it('has nothing to stop before it was started', async () => {
  service = new HeartbeatService({ transport });
  await service.stop();
  expect(transport.said).toEqual([]);
});

describe('trouble', () => {
  it('is a line on stderr where nobody listens, with the agent and without a stack', async () => {
    const stderr = vi.spyOn(console, 'error').mockReturnValue();
    transport.answer = () => {
      throw new Error('connection refused');
    };
    begin({ agentId: 'bot' });
    await until(() => service!.status().consecutiveFailures > 0);
    expect(service!.status().lastError).toEqual({
      code: 'E_TRANSPORT_FAILED',
      message: 'mock: connection refused',
    });
    expect(stderr.mock.calls).toEqual([['E_TRANSPORT_FAILED: bot: mock: connection refused']]);
  });

  it('comes with its cause', async () => {
    const cause = new Error('connection refused');
    transport.answer = () => Promise.reject(cause);
    const onError = vi.fn();
    begin({ onError });
    await until(() => onError.mock.calls.length > 0);
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'E_TRANSPORT_FAILED', cause }),
    );
  });

  it('with a listener harms nobody else', async () => {
    const stderr = vi.spyOn(console, 'error').mockReturnValue();
    begin({
      onChange: () => {
        throw new Error('not today');
      },
    });
    await until(() => transport.said.length > 3);
    expect(stderr.mock.calls).toEqual([
      ['E_HEARTBEAT_STATE: HeartbeatService: onChange threw: not today (Keep onChange from throwing.)'],
    ]);
  });
});
