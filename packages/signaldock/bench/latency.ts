// How long a message of another process takes to be heard, and what listening costs while nothing comes.
// Run: node packages/signaldock/bench/latency.ts
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDock } from '@cleocode/signaldock';

const MESSAGES = 500;
const IDLE_MS = 10_000;
const now = () => performance.timeOrigin + performance.now();

if (process.argv[2]) await send(process.argv[2]);
else await listen();

async function listen(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dock-bench-'));
  const dock = await openDock({ file: join(folder, 'dock.db') });
  for (const agentId of ['alice', 'bob']) await dock.registerAgent({ agentId });
  const delays: number[] = [];
  dock.onMessages('bob', ({ content }) => delays.push(now() - Number(content)));

  const before = process.cpuUsage();
  await sleep(IDLE_MS);
  const { user, system } = process.cpuUsage(before);
  console.log(`idle            ${(((user + system) / 1000 / IDLE_MS) * 100).toFixed(2)} % of one core`);

  await once(fork(import.meta.filename, [dock.file]), 'exit');
  while (delays.length < MESSAGES) await sleep(10);
  delays.sort((a, b) => a - b);
  const at = (share: number) => `${delays[Math.floor(MESSAGES * share)]!.toFixed(1)} ms`;
  console.log(`other process   p50 ${at(0.5)}, p99 ${at(0.99)} from send to listener`);
  await dock.close();
  rmSync(folder, { recursive: true });
}

async function send(file: string): Promise<void> {
  const dock = await openDock({ file });
  for (let n = 0; n < MESSAGES; n++) {
    await dock.send('alice', 'bob', { content: `${now()}` });
    await sleep(5 + Math.random() * 20);
  }
  await dock.close();
}
