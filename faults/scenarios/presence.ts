import { equal, ok } from 'node:assert/strict';
import type { Scenario } from '../lib/scenario.ts';
import { until, type Workbench } from '../lib/workbench.ts';

const statusOf = async (bench: Workbench): Promise<string> =>
  (await (await bench.dock()).presence('prime')).status;

const offlineAtOnce: Scenario = {
  name: 'given SIGTERM while a handler still works, then others see the agent offline within 2 s; its successor is online and stays so',
  backends: ['embedded', 'http'],
  async run(bench) {
    await bench.register('prime', ['alice']);
    const agent = bench.agent('prime', { FAULTS_DRAIN_MS: 8_000 });
    await agent.ready();
    await until('it is online', async () => (await statusOf(bench)) === 'online', 10_000);
    await bench.send({
      from: ['alice'],
      to: 'prime',
      count: 1,
      rate: 0,
      content: '{"do":"sleep","ms":5000}',
    });
    await until('it works', () => bench.ledger.starts().length === 1);
    const asked = performance.now();
    const ended = agent.stop();
    await until('it is offline', async () => (await statusOf(bench)) === 'offline', 5_000);
    const took = performance.now() - asked;
    ok(took <= 2_000, `${Math.round(took)} ms`);
    ok(agent.running, 'the handler was still at work');
    equal((await ended).code, 0);
    equal(bench.ledger.handled().size, 1);

    const successor = bench.agent('prime');
    await successor.ready();
    await until('the successor is online', async () => (await statusOf(bench)) === 'online', 10_000);
    equal((await successor.stop()).code, 0);
    equal(await statusOf(bench), 'offline');
  },
};

const silent: Scenario = {
  name: 'given --no-heartbeat, then nobody is told anything',
  async run(bench) {
    await bench.register('prime', ['alice']);
    const agent = bench.agent('prime', {}, ['--no-heartbeat']);
    await agent.ready();
    await bench.send({ from: ['alice'], to: 'prime', count: 1, rate: 0, content: 'hello' });
    await until('it works', () => bench.ledger.handled().size === 1);
    equal((await agent.stop()).code, 0);
    const { lastSeen } = await (await bench.dock()).presence('prime');
    equal(lastSeen, undefined);
  },
};

const killed: Scenario = {
  name: 'given kill -9, then others see the agent offline once it was not heard of for 180 s, and not online from 90 s on',
  backends: ['embedded', 'http'],
  async run(bench) {
    await bench.register('prime', ['alice']);
    const agent = bench.agent('prime');
    await agent.ready();
    await until('it is online', async () => (await statusOf(bench)) === 'online', 10_000);
    await agent.kill();
    const killedAt = Date.now();
    const seenAfter = (seconds: number) => bench.statusAt('prime', killedAt + seconds * 1_000);
    equal(await seenAfter(0), 'online', 'nobody can know yet');
    equal(await seenAfter(91), 'stale');
    equal(await seenAfter(181), 'offline');
    const successor = bench.agent('prime');
    await successor.ready();
    await until('the successor is online', async () => (await statusOf(bench)) === 'online', 10_000);
    equal((await successor.stop()).code, 0);
  },
};

export default [offlineAtOnce, silent, killed];
