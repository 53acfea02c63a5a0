import diagnostics from 'node:diagnostics_channel';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { services } from '@cleocode/contracts';
import { definePlugin } from '@cleocode/kernel';
import { openDock } from '@cleocode/signaldock';
import { backendOf, startServer } from '../backend.ts';
import { report, rssOf } from '../measure.ts';
import { startResidents } from '../residents.ts';

/** What an agent of a server costs that hears nothing: its stream is live, and it follows 20 groups. */
const GROUPS = 20;
const WARM_UP_MS = 30_000;
const IDLE_MS = Number(process.env.BENCH_IDLE_MS ?? 300_000);

const folder = mkdtempSync(join(tmpdir(), 'cleo-bench-'));
const { file, keys } = await backendOf(folder, 'idle', ['prime', 'other']);
const groups = await openGroups();
const server = await startServer({ kind: 'dock', file });

let requests = 0;
diagnostics.subscribe('undici:request:create', () => {
  requests += 1;
});
let state = () => 'none';
const handler = definePlugin({
  name: 'handler',
  version: '1.0.0',
  apiVersion: 1,
  requires: { realtime: services.realtime },
  setup(ctx, _options, { realtime }) {
    state = () => realtime.state;
    ctx.on('message', () => {});
  },
});
const [kernel] = await startResidents({
  folder,
  url: server.url,
  keys: { prime: keys.prime! },
  plugins: () => [handler()],
  poller: { groups },
});
await sleep(WARM_UP_MS);
globalThis.gc?.();
const before = { rss: rssOf(process.pid), sockets: sockets(), cpu: process.cpuUsage(), requests };
await sleep(IDLE_MS);
const { user, system } = process.cpuUsage(before.cpu);
globalThis.gc?.();
const grown = (rssOf(process.pid) - before.rss) / 2 ** 20;
const moreSockets = sockets() - before.sockets;
const perMinute = ((requests - before.requests) / IDLE_MS) * 60_000;
const cpu = ((user + system) / 1_000 / IDLE_MS) * 100;
if (state() !== 'live') throw new Error(`the stream is ${state()}`);
await kernel!.stop();
await server.stop();
rmSync(folder, { recursive: true });
const what = `idle agent of a server, stream live, ${GROUPS} groups`;
report([
  { what: `${what}: requests`, value: perMinute, unit: '/min', target: '≤ 4', met: perMinute <= 4 },
  { what: `${what}: one core`, value: cpu, unit: '%', target: '≤ 0.5', met: cpu <= 0.5 },
  { what: `${what}: memory grown`, value: grown, unit: 'MiB', target: '≤ 5', met: grown <= 5 },
  { what: `${what}: sockets more`, value: moreSockets, unit: '', target: '≤ 0', met: moreSockets <= 0 },
]);
process.disconnect?.();

async function openGroups(): Promise<string[]> {
  const dock = await openDock({ file, retentionDays: 0 });
  const opened: string[] = [];
  for (let n = 0; n < GROUPS; n++) {
    const { id } = await dock.createConversation('prime', {
      participants: ['other'],
    });
    opened.push(id);
  }
  await dock.close();
  return opened;
}

function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length;
}
