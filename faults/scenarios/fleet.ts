import { equal, ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '@cleocode/store';
import type { AgentProcess } from '../lib/agent-process.ts';
import type { Gateway } from '../lib/gateway.ts';
import { nothingLost } from '../lib/ledger.ts';
import { STREAM } from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { CLEO, CONFIG, until, type Workbench } from '../lib/workbench.ts';

const AGENTS = 200;

const restarts: Scenario = {
  name: 'given 200 agents with a stream and a server that restarts, asked to or killed, then no second sees more than a fifth of them come back',
  backends: ['http'],
  limitMs: 180_000,
  alone: true,
  async run(bench) {
    await bench.server();
    const gateway = await bench.gateway();
    const ids = Array.from({ length: AGENTS }, (_, index) => `fleet-${index}`);
    await registerAll(bench, ids);
    const fleet = bench.spawn([CLEO, 'agent', 'start', '--all', '--config', CONFIG, '--json']);
    await until('all are live', () => liveIn(fleet) === AGENTS, 60_000);
    const sent: string[] = [];
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const server = await bench.server();
      const [before, beforeStreams] = [gateway.seen.length, gateway.streams.length];
      server.signal(signal);
      await server.exit;
      const down = performance.now();
      const dock = await bench.dock();
      const messages = await Promise.all(
        ids.map((id) => dock.send('alice', id, { content: 'welcome back' })),
      );
      sent.push(...messages.map(({ id }) => id));
      await bench.serve();
      const upAfter = Math.round(performance.now() - down);
      await until('all are back', () => backIn(gateway, beforeStreams) === AGENTS, 60_000);
      const requests = gateway.seen.slice(before).filter(({ path }) => path === STREAM);
      const peak = busiestSecond(requests.map(({ at }) => at));
      const back = new Map<string, number>();
      for (const { request, openedAt } of gateway.streams.slice(beforeStreams))
        if (!back.has(request.agentId!)) back.set(request.agentId!, openedAt);
      const peakBack = busiestSecond([...back.values()]);
      const took = Math.round(Math.max(...back.values()) - down);
      bench.measured(
        `${signal}: up again after ${upAfter} ms, all back after ${took} ms; of ${AGENTS} agents at most ${peakBack} came back in one second, in ${requests.length} requests of at most ${peak} in one`,
      );
      ok(peak <= AGENTS / 5 && peakBack <= AGENTS / 5, `${peak} and ${peakBack} in one second`);
      await until('all heard', () => bench.ledger.handled().size === sent.length, 60_000);
      await sleep(1_000);
    }
    equal((await fleet.stop()).code, 0);
    nothingLost(sent, bench.ledger.handled());
    equal(bench.ledger.starts().length, sent.length, 'each once');
  },
};

/** What the command line would do for each of them, in a second instead of minutes. */
async function registerAll(bench: Workbench, ids: readonly string[]): Promise<void> {
  const dock = await bench.dock();
  const apiBaseUrl = (await bench.gateway()).url;
  const store = await openStore({ dir: bench.stateDir, dataDir: bench.env.CLEO_DATA_DIR! });
  await dock.registerAgent({ agentId: 'alice' });
  for (const agentId of ids) {
    const { apiKey } = await dock.registerAgent({ agentId });
    await store.registry.register({ agentId, apiKey, apiBaseUrl });
  }
  await store.close();
}

function liveIn({ events }: AgentProcess): number {
  const states = new Map(
    events.filter(({ event }) => event === 'realtime').map(({ agentId, state }) => [agentId, state]),
  );
  return [...states.values()].filter((state) => state === 'live').length;
}

/** How many agents have opened a stream since the `from`-th. */
function backIn({ streams }: Gateway, from: number): number {
  return new Set(streams.slice(from).map(({ request }) => request.agentId)).size;
}

/** The most of these moments that lie within any one second. */
function busiestSecond(moments: readonly number[]): number {
  const inSecondFrom = (at: number) => moments.filter((other) => other >= at && other < at + 1_000).length;
  return Math.max(0, ...moments.map(inSecondFrom));
}

export default [restarts];
