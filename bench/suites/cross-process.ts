import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKernel, definePlugin } from '@cleocode/kernel';
import { poller } from '@cleocode/plugin-poller';
import { openDock } from '@cleocode/signaldock';
import { openStore, store } from '@cleocode/store';
import { LocalTransport, localTransport } from '@cleocode/transport-local';
import { quantile, report } from '../measure.ts';

/** From a push in another process to the handler in the agent's, and what waiting for it costs while nothing comes. */
const MESSAGES = 400;
const IDLE_MS = 10_000;
const now = () => performance.timeOrigin + performance.now();

if (process.argv[2] === 'send') await send(process.argv[3]!);
else await measure();

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cleo-bench-'));
  const dir = join(folder, '.cleo');
  process.env.CLEO_DATA_DIR = join(folder, 'data');
  const file = join(dir, 'signaldock.db');
  const dock = await openDock({ file });
  const { apiKey } = await dock.registerAgent({ agentId: 'prime' });
  await dock.registerAgent({ agentId: 'sender' });
  await dock.close();
  const opened = await openStore({ dir });
  await opened.registry.register({ agentId: 'prime', apiKey });
  await opened.close();

  const delays: number[] = [];
  const clock = definePlugin({
    name: 'clock',
    version: '1.0.0',
    apiVersion: 1,
    setup(ctx) {
      ctx.on('message', ({ message }) => void delays.push(now() - Number(message.content)));
    },
  });
  const kernel = createKernel({
    transport: localTransport({ file }),
    plugins: [store({ dir, agent: 'prime' }), poller(), clock()],
  });
  await kernel.start();
  await sleep(2_000);
  const before = process.cpuUsage();
  await sleep(IDLE_MS);
  const { user, system } = process.cpuUsage(before);
  const idle = ((user + system) / 1000 / IDLE_MS) * 100;

  const child = fork(import.meta.filename, ['send', file]);
  await once(child, 'exit');
  while (delays.length < MESSAGES) await sleep(10);
  await kernel.stop();
  rmSync(folder, { recursive: true });
  const p50 = quantile(delays, 0.5);
  const p99 = quantile(delays, 0.99);
  report([
    { what: 'other process: push to handler, p50', value: p50, unit: 'ms', target: '≤ 25', met: p50 <= 25 },
    { what: 'other process: push to handler, p99', value: p99, unit: 'ms', target: '≤ 60', met: p99 <= 60 },
    { what: 'other process: one core while idle', value: idle, unit: '%', target: '≤ 1.5', met: idle <= 1.5 },
  ]);
  process.disconnect?.();
}

async function send(file: string): Promise<void> {
  const transport = new LocalTransport({ file });
  await transport.connect({ agentId: 'sender' });
  for (let sent = 0; sent < MESSAGES; sent++) {
    await transport.push('prime', String(now()));
    await sleep(Math.random() * 50);
  }
  await transport.disconnect();
  process.disconnect?.();
}
