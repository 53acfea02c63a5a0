import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IntakeHealth } from '@cleocode/contracts';
import { type Dock, openDock } from '@cleocode/signaldock';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { DockTransport } from './dock-transport.test.kit.ts';
import { until } from './heart.test.kit.ts';
import { HeartbeatService, type HeartbeatServiceOptions } from './index.ts';

let folder: string;
let dock: Dock;
let transport: DockTransport;
let services: HeartbeatService[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'heartbeat-'));
  dock = await openDock({ file: join(folder, 'signaldock.db'), now: () => Date.now() });
  await dock.registerAgent({ agentId: 'bot' });
  transport = new DockTransport(dock, 'bot');
  services = [];
});

afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(services.map((service) => service.stop()));
  await dock.close();
  rmSync(folder, { recursive: true, force: true });
});

function begin(options: Partial<HeartbeatServiceOptions> = {}): HeartbeatService {
  const service = new HeartbeatService({ transport, intervalMs: 200, ...options });
  services.push(service);
  service.start();
  return service;
}

const status = async () => (await dock.presence('bot')).status;

it('is seen online soon after the start, and offline once the stop is over', async () => {
  const service = begin();
  await until(async () => (await status()) === 'online');
  await service.stop();
  expect(await status()).toBe('offline');
});

it('is seen busy while its intake proves nothing, and online when it does', async () => {
  const health: IntakeHealth = { budgetMs: 1_000, lastReceiveAgeMs: 0 };
  begin({ intake: { health: () => health } });
  await until(async () => (await status()) === 'online');
  health.lastReceiveAgeMs = 2_001;
  await until(async () => (await status()) === 'busy');
  health.lastReceiveAgeMs = 10;
  await until(async () => (await status()) === 'online');
});

it('does not make its successor offline', async () => {
  // So long that the successor's only beat holds.
  const first = begin({ intervalMs: 60_000 });
  await until(() => first.status().state === 'online');
  const second = begin({ intervalMs: 60_000 });
  await until(() => second.status().state === 'online');
  expect(second.status().instanceId).not.toBe(first.status().instanceId);
  const before = vi.spyOn(transport, 'setStatus');
  vi.spyOn(transport, 'heartbeat').mockRejectedValue(new Error('the successor is silent now'));
  await first.stop();
  expect(before).toHaveBeenCalledWith(expect.objectContaining({ status: 'offline' }), expect.anything());
  expect(await status()).toBe('online');
});

it('is seen online at every second of ten minutes in which two of three beats are lost', async () => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
  });
  transport.loses = (nth) => nth % 3 !== 0;
  begin({ intervalMs: 30_000, onError: () => {} });
  const step = async () => {
    await vi.advanceTimersByTimeAsync(1_000);
    await transport.idle();
  };
  await step();
  await step();
  const seen = new Set<string>();
  for (let second = 0; second < 600; second++) {
    await step();
    seen.add(await status());
  }
  expect([...seen]).toEqual(['online']);
});
