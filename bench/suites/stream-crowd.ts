import diagnostics from 'node:diagnostics_channel';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { services } from '@cleocode/contracts';
import { definePlugin, type Plugin } from '@cleocode/kernel';
import { backendOf, startServer } from '../backend.ts';
import { report, rssOf } from '../measure.ts';
import { startResidents } from '../residents.ts';

/** Many agents in one process, whose server goes and comes back: how many ask for their stream at the same time. */
const AGENTS = Number(process.env.BENCH_AGENTS ?? 500);
const AWAY_MS = 2_000;

const folder = mkdtempSync(join(tmpdir(), 'cleo-bench-'));
const agents = Array.from({ length: AGENTS }, (_, index) => `agent-${index}`);
const { file, keys } = await backendOf(folder, 'crowd', agents);
const server = await startServer({ kind: 'dock', file });

/** When each stream was answered. */
let answered: number[] = [];
diagnostics.subscribe('undici:request:headers', (message) => {
  const { request, response } = message as { request: { path: string }; response: { statusCode: number } };
  if (request.path === '/messages/stream' && response.statusCode === 200) answered.push(performance.now());
});
/** When each agent was live again. */
const returned = new Map<string, number>();
const live = new Set<string>();
const before = rssOf(process.pid);
const kernels = await startResidents({
  folder,
  url: server.url,
  keys,
  plugins: (agentId) => [watching(agentId)],
});
await until(() => live.size === AGENTS);
globalThis.gc?.();
const perAgent = (rssOf(process.pid) - before) / AGENTS / 1024;

returned.clear();
answered = [];
await server.stop();
await sleep(AWAY_MS);
const again = await startServer({ kind: 'dock', file, port: Number(new URL(server.url).port) });
const back = performance.now();
await until(() => returned.size === AGENTS);
const worst = busiestSecond(answered) / AGENTS;
const last = (Math.max(...returned.values()) - back) / 1_000;
await Promise.all(kernels.map((kernel) => kernel.stop()));
await again.stop();
rmSync(folder, { recursive: true });
report([
  {
    what: `${AGENTS} agents, server restarted: streams in the busiest second`,
    value: worst * 100,
    unit: '%',
    target: '≤ 20',
    met: worst <= 0.2,
    note: `the last is live after ${last.toFixed(1)} s`,
  },
  { what: `${AGENTS} agents in one process: memory of one`, value: perAgent, unit: 'KiB' },
]);
process.disconnect?.();

function watching(agentId: string): Plugin {
  return definePlugin({
    name: 'watching',
    version: '1.0.0',
    apiVersion: 1,
    requires: { realtime: services.realtime },
    setup(ctx, _options, { realtime }) {
      ctx.on('message', () => {});
      ctx.defer(
        realtime.onChange((state) => {
          if (state !== 'live') return;
          live.add(agentId);
          returned.set(agentId, performance.now());
        }),
      );
    },
  })();
}

/** The most of these moments that lie in any one second. */
function busiestSecond(moments: readonly number[]): number {
  const sorted = [...moments].sort((a, b) => a - b);
  let most = 0;
  for (let first = 0, last = 0; last < sorted.length; last++) {
    while (sorted[last]! - sorted[first]! >= 1_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 180_000; !condition(); await sleep(50))
    if (performance.now() > deadline) throw new Error(`${live.size} live, ${returned.size} back`);
}
