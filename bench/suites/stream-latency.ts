import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { services } from '@cleocode/contracts';
import { definePlugin, type Plugin } from '@cleocode/kernel';
import { HttpTransport } from '@cleocode/transport-http';
import { backendOf, startServer } from '../backend.ts';
import { quantile, report } from '../measure.ts';
import { startResidents } from '../residents.ts';

/** From a send in one process, through a server in another, to the handler in a third: by the stream, and by polling alone. */
const RATE = 50;
const STREAMED = 1_500;
const POLLED = 750;
const now = () => performance.timeOrigin + performance.now();

if (process.argv[2] === 'send') await send(JSON.parse(process.argv[3]!) as SendJob);
else await measure();

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cleo-bench-'));
  const { file, keys } = await backendOf(folder, 'latency', ['prime', 'sender']);
  const server = await startServer({ kind: 'dock', file });
  const run = async (name: string, count: number, more: Plugin[]) => {
    const delays: number[] = [];
    const clock = definePlugin({
      name: 'clock',
      version: '1.0.0',
      apiVersion: 1,
      setup(ctx) {
        ctx.on('message', ({ message }) => void delays.push(now() - Number(message.content)));
      },
    });
    const [kernel] = await startResidents({
      folder: join(folder, name),
      url: server.url,
      keys: { prime: keys.prime! },
      plugins: () => [clock(), ...more],
    });
    await sleep(2_000);
    const job: SendJob = { url: server.url, apiKey: keys.sender!, count };
    await once(fork(import.meta.filename, ['send', JSON.stringify(job)]), 'exit');
    while (delays.length < count) await sleep(10);
    await kernel!.stop();
    return { p50: quantile(delays, 0.5), p99: quantile(delays, 0.99) };
  };
  const streamed = await run('streamed', STREAMED, []);
  const polled = await run('polled', POLLED, [noStream()]);
  await server.stop();
  rmSync(folder, { recursive: true });
  const what = `agent of a server, ${RATE} messages/s: send to handler`;
  report([
    {
      what: `${what}, p50`,
      value: streamed.p50,
      unit: 'ms',
      target: '≤ 15',
      met: streamed.p50 <= 15,
      note: `${Math.round(polled.p50)} ms by polling alone`,
    },
    {
      what: `${what}, p99`,
      value: streamed.p99,
      unit: 'ms',
      target: '≤ 100',
      met: streamed.p99 <= 100,
      note: `${Math.round(polled.p99)} ms by polling alone`,
    },
  ]);
  process.disconnect?.();
}

/** Takes the place of the stream, and never has one. */
function noStream(): Plugin {
  return definePlugin({
    name: 'no-stream',
    version: '1.0.0',
    apiVersion: 1,
    provides: [services.realtime],
    setup(ctx) {
      ctx.provide(services.realtime, {
        state: 'fallback',
        lastReceiveAgeMs: undefined,
        onChange: () => () => {},
      });
    },
  })();
}

interface SendJob {
  url: string;
  apiKey: string;
  count: number;
}

async function send({ url, apiKey, count }: SendJob): Promise<void> {
  const transport = new HttpTransport();
  await transport.connect({ agentId: 'sender', apiKey, apiBaseUrl: url });
  const began = performance.now();
  const sends: Promise<unknown>[] = [];
  for (let sent = 0; sent < count; sent++) {
    await sleep(Math.max(0, began + (sent / RATE) * 1_000 - performance.now()));
    sends.push(transport.push('prime', String(now())));
  }
  await Promise.all(sends);
  await transport.disconnect();
  process.disconnect?.();
}
