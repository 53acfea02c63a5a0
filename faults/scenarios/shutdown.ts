import { deepEqual, equal, ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from '../lib/scenario.ts';
import { until } from '../lib/workbench.ts';

const drain: Scenario = {
  name: 'given SIGTERM with 5 short and 5 endless handlers, then the short ones finish, the endless ones are released, it exits 0 within the grace, and the next start runs exactly those 5',
  async run(bench) {
    const others = Array.from({ length: 10 }, (_, index) => `other-${index}`);
    await bench.register('prime', others);
    const grace = 2_000;
    const agent = bench.agent('prime', { FAULTS_DRAIN_MS: grace });
    await agent.ready();
    const short = await bench.send({
      from: others.slice(0, 5),
      to: 'prime',
      count: 5,
      rate: 0,
      content: '{"do":"sleep","ms":1000}',
    });
    const endless = await bench.send({
      from: others.slice(5),
      to: 'prime',
      count: 5,
      rate: 0,
      content: '{"do":"hang"}',
    });
    await until('all ten run', () => bench.ledger.starts().length === 10);
    const asked = performance.now();
    const exit = await agent.stop();
    const took = performance.now() - asked;
    deepEqual(exit, { code: 0, signal: null }, agent.tail);
    ok(took <= grace + 1_000, `${Math.round(took)} ms`);
    deepEqual([...bench.ledger.handled()].sort(), [...short].sort());
    const stopped = agent.events.find(({ event }) => event === 'stopped');
    equal(stopped?.drained, false);

    const again = bench.agent('prime', { FAULTS_DRAIN_MS: 100 });
    await again.ready();
    await until('the five run again', () => bench.ledger.starts().length === 15);
    await sleep(500);
    const second = bench.ledger.starts().slice(10);
    deepEqual(second.map(({ id }) => id).sort(), [...endless].sort());
    deepEqual(
      new Set(second.map(({ attempt }) => attempt)),
      new Set([1]),
      'a released attempt does not count',
    );
    equal((await again.stop()).code, 0);
  },
};

const interrupt: Scenario = {
  name: 'given two interrupts while a handler never ends, then the second ends the process at once with 130',
  async run(bench) {
    await bench.register('prime', ['alice']);
    const agent = bench.agent('prime');
    await agent.ready();
    await bench.send({ from: ['alice'], to: 'prime', count: 1, rate: 0, content: '{"do":"hang"}' });
    await until('it runs', () => bench.ledger.starts().length === 1);
    agent.signal('SIGINT');
    await sleep(300);
    const asked = performance.now();
    agent.signal('SIGINT');
    equal((await agent.exit).code, 130);
    ok(performance.now() - asked < 1_000);
    equal(await bench.unread('prime'), 1, 'still there for the next start');
  },
};

export default [drain, interrupt];
