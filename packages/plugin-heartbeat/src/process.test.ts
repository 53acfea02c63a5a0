import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Dock, openDock } from '@cleocode/signaldock';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from './heart.test.kit.ts';

const program = fileURLToPath(new URL('./process.test.program.ts', import.meta.url));

let folder: string;
let dock: Dock;
/** How far the clock of this process is ahead of that of the agent's. */
let aheadMs: number;
let agent: ChildProcess;
let events: { at: number; what: string; gapMs?: number }[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'heartbeat-'));
  const file = join(folder, 'signaldock.db');
  aheadMs = 0;
  dock = await openDock({ file, now: () => Date.now() + aheadMs });
  await dock.registerAgent({ agentId: 'bot' });
  agent = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  events = [];
  createInterface({ input: agent.stdout! }).on('line', (line) => {
    const [what, gapMs] = JSON.parse(line);
    events.push({ at: performance.now(), what, gapMs });
  });
  await until(async () => (await status()) === 'online');
});

afterEach(async () => {
  if (agent.exitCode === null && agent.signalCode === null) {
    agent.kill('SIGKILL');
    await once(agent, 'exit');
  }
  await dock.close();
  rmSync(folder, { recursive: true, force: true });
});

const status = async () => (await dock.presence('bot')).status;

it('is seen offline soon after SIGTERM, and leaves nothing that keeps the process alive', async () => {
  const exit = once(agent, 'exit');
  const toldAt = performance.now();
  agent.kill('SIGTERM');
  await until(async () => (await status()) === 'offline');
  // Without being told the backend would wait for 90 s.
  expect(performance.now() - toldAt).toBeLessThan(15_000);
  expect(await exit).toEqual([0, null]);
});

it('is seen offline after kill -9 once the backend has waited for it', async () => {
  agent.kill('SIGKILL');
  await once(agent, 'exit');
  aheadMs = 89_000;
  expect(await status()).toBe('online');
  aheadMs = 91_000;
  expect(await dock.presence('bot')).toMatchObject({ online: false });
});

it('notices that it was stopped, and is busy until it hears again', async () => {
  agent.kill('SIGSTOP');
  const stoppedAt = performance.now();
  await until(() => performance.now() - stoppedAt > 1_700);
  agent.kill('SIGCONT');
  const goesOnAt = performance.now();
  await until(async () => (await status()) === 'busy');
  await until(() => events.some(({ what }) => what === 'busy'));
  const stall = events.find(({ what }) => what === 'stall')!;
  expect(stall.at - goesOnAt).toBeLessThan(15_000);
  expect(stall.gapMs).toBeGreaterThan(1_000);
  expect(stall.gapMs).toBeLessThan(goesOnAt - stoppedAt + 10_000);

  agent.stdin!.write('a message\n');
  await until(async () => (await status()) === 'online');
  await until(() => events.length === 4);
  expect(events.map(({ what }) => what)).toEqual(['online', 'stall', 'busy', 'online']);
});
