import { equal, ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpTransport } from '@cleocode/transport-http';
import type { Fault } from '../lib/gateway.ts';
import { drop, HEARTBEAT, live, POLL, STREAM, sendTo } from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { WallClock } from '../lib/wall-clock.ts';
import { until, type Workbench } from '../lib/workbench.ts';

/**
 * A server whose wall clock goes `speed` times as fast, for there is no time for three minutes of silence; an agent that beats
 * accordingly, and one that watches it through the server.
 */
async function hurried(bench: Workbench, speed: number) {
  const intervalMs = 30_000 / speed;
  const clock = new WallClock(bench);
  bench.serverEnv = clock.env;
  await bench.register('prime', ['alice']);
  const agent = bench.agent('prime', { FAULTS_HEARTBEAT_MS: intervalMs });
  const watcher = await bench.client('watcher');
  await live(bench, agent);
  await until('it is online', async () => (await seen(watcher)) === 'online', 10_000);
  clock.run(speed);
  // Until the server has looked at its clock again, and the agent was heard since.
  await sleep(1_000 + 2 * intervalMs);
  return { agent, watcher, intervalMs };
}

async function seen(watcher: HttpTransport): Promise<string> {
  return (await watcher.isOnline('prime')).status;
}

const killed: Scenario = {
  name: 'given kill -9, then the server says that the agent is offline within its 180 s and one more (by a clock that goes 20 times as fast)',
  backends: ['http'],
  skip: WallClock.missing,
  async run(bench) {
    const { agent, watcher } = await hurried(bench, 20);
    const { seen: requests } = await bench.gateway();
    equal(await seen(watcher), 'online');
    await agent.kill();
    const killedAt = performance.now();
    await until('it is offline', async () => (await seen(watcher)) === 'offline', 30_000);
    bench.within(180_000 / 20 + 1_000, killedAt, 'from kill -9 to offline');
    const lastBeat = requests.findLast(({ path }) => path === HEARTBEAT)!.at;
    ok(performance.now() - lastBeat >= 180_000 / 20, 'no earlier than that');
  },
};

const dropped: Scenario = {
  name: 'given two of three heartbeats dropped, one refused and one unanswered, then others never see the agent anything but online',
  backends: ['http'],
  skip: WallClock.missing,
  limitMs: 120_000,
  async run(bench) {
    const speed = 10;
    const { agent, watcher, intervalMs } = await hurried(bench, speed);
    const gateway = await bench.gateway();
    const faults: (Fault | undefined)[] = ['refuse', 'hang', undefined];
    let beats = 0;
    gateway.rule = ({ path }) => (path === HEARTBEAT ? faults[beats++ % 3] : undefined);
    const end = performance.now() + (bench.full ? 40 : 6) * intervalMs;
    const statuses = new Set<string>();
    while (performance.now() < end) {
      statuses.add(await seen(watcher));
      await sleep(50);
    }
    const arrived = gateway.seen.filter(({ path, status }) => path === HEARTBEAT && status === 200);
    const gaps = arrived.slice(1).map(({ at }, index) => at - arrived[index]!.at);
    const longest = Math.round(Math.max(...gaps) * speed) / 1_000;
    bench.measured(`${beats} heartbeats, of which every third arrived; at most ${longest} of 90 s apart`);
    ok(beats >= 9, `${beats} heartbeats`);
    equal([...statuses].join(), 'online');
    equal((await agent.stop()).code, 0);
  },
};

const wedged: Scenario = {
  name: 'given that nothing can be received any more while timers run and heartbeats arrive, then the agent is seen busy within two intervals, and online within two of its end',
  backends: ['http'],
  limitMs: 120_000,
  async run(bench) {
    const intervalMs = 5_000;
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const dock = await bench.dock();
    const status = async () => (await dock.presence('prime')).status;
    // In proportion to the default ones.
    const agent = bench.agent('prime', {
      FAULTS_HEARTBEAT_MS: intervalMs,
      FAULTS_WATCHDOG_MS: 5_000,
      FAULTS_POLL_MS: 800,
      FAULTS_LIVE_POLL_MS: 5_000,
      FAULTS_TIMEOUT_MS: 1_600,
    });
    await live(bench, agent);
    await until('it is online', async () => (await status()) === 'online', 10_000);
    const sent = [await drop(bench)];
    await until('it hears', () => bench.ledger.handled().size === 1);
    for (const fault of ['hang', { status: 500 }] as const) {
      gateway.rule = ({ path }) => (path === POLL || path === STREAM ? fault : undefined);
      for (const stream of gateway.streams) stream.silence();
      const wedgedAt = performance.now();
      sent.push(...(await sendTo(bench, 3)));
      await until('it is seen', async () => (await status()) === 'busy', 30_000);
      bench.within(2 * intervalMs, wedgedAt, `${JSON.stringify(fault)}: until it was seen busy`);
      equal(bench.ledger.handled().size, sent.length - 3, 'it was wedged');
      gateway.rule = () => undefined;
      const healed = performance.now();
      await until('it is online', async () => (await status()) === 'online', 40_000);
      bench.within(2 * intervalMs, healed, `${JSON.stringify(fault)}: until it was seen online`);
      await until('it hears', () => bench.ledger.handled().size === sent.length, 20_000);
    }
    equal((await agent.stop()).code, 0);
    equal(bench.ledger.starts().length, sent.length, 'each once');
  },
};

const stuffed: Scenario = {
  name: 'given handlers that are all stuck and an inbox that is full, then the agent is seen busy within two intervals, and online when they go on',
  backends: ['http'],
  limitMs: 120_000,
  async run(bench) {
    const intervalMs = 3_000;
    const others = Array.from({ length: 64 }, (_, index) => `other-${index}`);
    await bench.register('prime', others);
    const dock = await bench.dock();
    const status = async () => (await dock.presence('prime')).status;
    const agent = bench.agent('prime', { FAULTS_HEARTBEAT_MS: intervalMs });
    await live(bench, agent);
    await until('it is online', async () => (await status()) === 'online', 10_000);
    const stuck = { from: others, to: 'prime', count: 1_500, rate: 0, content: '{"do":"gate"}' };
    const sent = await bench.send(stuck);
    const fullAt = performance.now();
    await until('it is seen', async () => (await status()) === 'busy', 30_000);
    bench.within(2 * intervalMs, fullAt, 'until it was seen busy');
    bench.write(bench.gate, '');
    await until('all handled', () => bench.ledger.handled().size === sent.length, 60_000);
    await until('it is online', async () => (await status()) === 'online', 2 * intervalMs);
    equal((await agent.stop()).code, 0);
    equal(bench.ledger.starts().length, sent.length, 'each once');
  },
};

export default [killed, dropped, wedged, stuffed];
