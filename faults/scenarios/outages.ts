import { equal, match, ok } from 'node:assert/strict';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FAST, live, POLL, realtimeOf, sendTo } from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { until } from '../lib/workbench.ts';

const slowPolls: Scenario = {
  name: 'given a server that takes 30 s for a poll, then never more than one is open for each who asks, heartbeats are on time, and delivery goes on when it is fast again',
  backends: ['http', 'polling'],
  limitMs: 120_000,
  async run(bench) {
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    gateway.rule = ({ path }) => (path === POLL ? { delayMs: 30_000 } : undefined);
    const agent = bench.agent('prime', {}, FAST);
    await agent.ready();
    const sent = await sendTo(bench, 5);
    await sleep(bench.full ? 120_000 : 8_000);
    // A stream that came up asks for itself what it has missed.
    equal(gateway.highest(POLL), bench.backend === 'polling' ? 1 : 2);

    const client = await bench.client('watcher');
    const polls = Array.from({ length: 20 }, () => client.poll().catch(() => []));
    for (let beat = 0; beat < 5; beat++) {
      const asked = performance.now();
      await client.heartbeat({ status: 'online' });
      const took = performance.now() - asked;
      ok(took < 1_000, `a heartbeat took ${Math.round(took)} ms beside 20 polls that hang`);
    }
    gateway.rule = () => undefined;
    const healed = performance.now();
    await until('handled', () => bench.ledger.handled().size === sent.length, 45_000);
    ok(performance.now() - healed <= 35_000);
    equal((await agent.stop()).code, 0);
    await client.disconnect();
    await Promise.all(polls);
  },
};

const stalls: Scenario = {
  name: 'given a server that stalls in connect, in its headers and in its body, then each is a named error and the agent hears again within 15 s',
  backends: ['polling'],
  limitMs: 180_000,
  async run(bench) {
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const agent = bench.agent('prime', {}, [...FAST, '--log-level', 'debug']);
    await agent.ready();
    let handled = 0;
    const hearsAgain = async (what: string) => {
      const healed = performance.now();
      handled += (await sendTo(bench, 3)).length;
      await until(`hears again after ${what}`, () => bench.ledger.handled().size === handled, 20_000);
      const took = performance.now() - healed;
      ok(took <= 15_000, `${what}: ${Math.round(took)} ms`);
    };
    for (const fault of ['hang', 'stall'] as const) {
      const errors = agent.output.split('E_TRANSPORT_TIMEOUT').length;
      gateway.rule = ({ path }) => (path === POLL ? fault : undefined);
      await until(
        `${fault} is a timeout`,
        () => agent.output.split('E_TRANSPORT_TIMEOUT').length > errors,
        25_000,
      );
      gateway.rule = () => undefined;
      await hearsAgain(fault);
    }
    equal((await agent.stop()).code, 0);
  },
};

const frozen: Scenario = {
  name: 'given a server that is frozen with a full backlog, so that nobody can connect, then the agent hears again within 15 s of its waking',
  backends: ['http'],
  limitMs: 120_000,
  async run(bench) {
    const server = await bench.serve();
    const url = (await server.event('listening')).url as string;
    const { code } = await bench.cleo('agent', 'register', 'prime', '--api-url', url);
    equal(code, 0);
    await (await bench.dock()).registerAgent({ agentId: 'alice' });
    const agent = bench.agent('prime', { FAULTS_WATCHDOG_MS: 5_000 }, [...FAST, '--log-level', 'debug']);
    await agent.ready();
    await until('the stream is live', () => realtimeOf(agent) === 'live');
    server.signal('SIGSTOP');
    const { hostname, port } = new URL(url);
    const knock = () => connect(Number(port), hostname).on('error', () => {});
    const fillers = Array.from({ length: 1_100 }, knock);
    try {
      await sleep(5_000);
      const last = knock();
      fillers.push(last);
      await sleep(bench.full ? 60_000 : 15_000);
      ok(last.connecting, 'nobody can connect');
    } finally {
      for (const filler of fillers) filler.destroy();
      server.signal('SIGCONT');
    }
    match(agent.output, /E_TRANSPORT_(TIMEOUT|UNREACHABLE)/);
    const woken = performance.now();
    const sent = await sendTo(bench, 3);
    await until('handled', () => bench.ledger.handled().size === sent.length, 20_000);
    ok(performance.now() - woken <= 15_000, `${Math.round(performance.now() - woken)} ms`);
    equal((await agent.stop()).code, 0);
  },
};

const outage: Scenario = {
  name: 'given the server down for ten minutes (half of one, in CI), then the agent asks rarely and delivers within 35 s of its return',
  backends: ['http', 'polling'],
  limitMs: 180_000,
  async run(bench) {
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const agent = bench.agent('prime', {}, FAST);
    await agent.ready();
    if (bench.backend === 'http') await live(bench, agent);
    else await until('it polls', () => gateway.count(({ path }) => path === POLL) > 2);
    const server = await bench.server();
    await server.kill();
    const before = gateway.seen.length;
    await sleep(bench.full ? 600_000 : 30_000);
    const asked = gateway.seen.length - before;
    // Ten minutes at full size; in half of one the first, quicker tries weigh more.
    const allowed = bench.full ? 40 : 12;
    bench.measured(`${asked} requests, ${allowed} are allowed`);
    ok(asked <= allowed, `${asked} requests`);
    await bench.serve();
    const back = performance.now();
    const sent = await sendTo(bench, 3);
    await until('delivered', () => bench.ledger.handled().size === sent.length, 40_000);
    bench.within(35_000, back, 'until delivery');
    if (bench.backend === 'http') {
      await live(bench, agent);
      bench.within(35_000, back, 'until the stream was live again');
    }
    equal((await agent.stop()).code, 0);
  },
};

export default [slowPolls, stalls, frozen, outage];
