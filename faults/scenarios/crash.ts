import { deepEqual, equal, ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { nothingLost } from '../lib/ledger.ts';
import { broughtByStream, live } from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { until } from '../lib/workbench.ts';

const kills: Scenario = {
  name: 'given messages arriving at 100/s, when the agent is killed -9 again and again, then none is lost and repeats stay within the kills',
  backends: ['embedded', 'http'],
  limitMs: 180_000,
  async run(bench) {
    const rounds = bench.full ? 200 : 20;
    const count = bench.full ? 10_000 : 2_000;
    await bench.register('prime', ['alice']);
    const { child, sent } = bench.sender({
      from: ['alice'],
      to: 'prime',
      count,
      rate: 100,
      content: 'message #n',
    });
    for (let round = 0; round < rounds; round++) {
      const agent = bench.agent('prime');
      // Killed with a stream as well as while it is still without one.
      if (bench.backend === 'http' && round % 2 === 0) await live(bench, agent);
      else await agent.ready();
      await sleep(bench.random() * 600);
      await agent.kill();
    }
    const last = bench.agent('prime');
    await last.ready();
    await child.exit;
    equal(sent().length, count, 'every send was confirmed');
    await until('everything is handled and acked', async () => (await bench.unread('prime')) === 0, 60_000);
    equal((await last.stop()).code, 0);
    nothingLost(sent(), bench.ledger.handled());
    const repeated = [...bench.ledger.startsById().values()].filter((starts) => starts > 1).length;
    bench.measured(`${repeated} ids were started more than once in ${rounds} kills`);
    ok(repeated <= rounds, `${repeated} ids were started more than once`);
    if (bench.backend !== 'http') return;
    // How much of it the stream brings depends on how far behind the handler is.
    broughtByStream(bench, 0);
    ok((await bench.gateway()).streams.length > rounds / 2, 'it was killed with streams open');
  },
};

const forgottenAcks: Scenario = {
  name: 'given everything handled, when the agent restarts and the backend returns the same messages, then no handler starts and all are acked again',
  backends: ['embedded', 'http'],
  async run(bench) {
    await bench.register('prime', ['alice']);
    const agent = bench.agent('prime');
    await agent.ready();
    const sent = await bench.send({ from: ['alice'], to: 'prime', count: 300, rate: 0, content: '#n' });
    await until(
      'all acked',
      async () => bench.ledger.handled().size === 300 && (await bench.unread('prime')) === 0,
    );
    equal((await agent.stop()).code, 0);
    const starts = bench.ledger.starts().length;
    await bench.forgetAcks();
    equal(await bench.unread('prime'), 200, 'the backend shows them again, a page at a time');
    const again = bench.agent('prime');
    await again.ready();
    await until('acked again', async () => (await bench.unread('prime')) === 0);
    equal((await again.stop()).code, 0);
    equal(bench.ledger.starts().length, starts, 'no handler started again');
    nothingLost(sent, bench.ledger.handled());
  },
};

const afterSideEffect: Scenario = {
  name: 'given a kill -9 between the side effect and done, when restarted, then only that message comes again, with attempt 2',
  async run(bench) {
    await bench.register('prime', ['alice', 'bob']);
    await bench.send({ from: ['alice'], to: 'prime', count: 10, rate: 0, content: 'before #n' });
    const agent = bench.agent('prime');
    await agent.ready();
    await until(
      'ten are acked',
      async () => bench.ledger.handled().size === 10 && (await bench.unread('prime')) === 0,
    );
    const [fatal] = await bench.send({
      from: ['bob'],
      to: 'prime',
      count: 1,
      rate: 0,
      content: '{"do":"die"}',
    });
    equal((await agent.exit).signal, 'SIGKILL');
    const again = bench.agent('prime');
    await again.ready();
    await until('handled', () => bench.ledger.handled().has(fatal!));
    equal((await again.stop()).code, 0);
    const repeated = [...bench.ledger.startsById()].filter(([, starts]) => starts > 1);
    deepEqual(repeated, [[fatal, 2]]);
    deepEqual(
      bench.ledger
        .starts()
        .filter(({ id }) => id === fatal)
        .map(({ attempt }) => attempt),
      [1, 2],
    );
  },
};

const beforeDone: Scenario = {
  name: 'given a kill -9 before the handler did anything, then the message is still unread at the backend and is fetched again',
  backends: ['embedded', 'http'],
  async run(bench) {
    await bench.register('prime', ['alice']);
    const agent = bench.agent('prime');
    await agent.ready();
    const [fatal] = await bench.send({
      from: ['alice'],
      to: 'prime',
      count: 1,
      rate: 0,
      content: '{"do":"die-before"}',
    });
    equal((await agent.exit).signal, 'SIGKILL');
    equal(bench.ledger.starts().length, 0);
    equal(await bench.unread('prime'), 1, 'nothing was acked before done');
    const again = bench.agent('prime');
    await again.ready();
    await until('handled', () => bench.ledger.handled().has(fatal!));
    equal((await again.stop()).code, 0);
  },
};

const secondStart: Scenario = {
  name: 'given a second start in the same state folder, then it is refused with exit 5 and the running pid; after kill -9 a start succeeds at once',
  async run(bench) {
    await bench.register('prime');
    const first = bench.agent('prime');
    await first.ready();
    const second = bench.agent('prime');
    equal((await second.exit).code, 5);
    ok(second.output.includes(String(first.pid)), second.output);
    ok(first.running);
    await first.kill();
    const third = bench.agent('prime');
    await third.ready();
    equal((await third.stop()).code, 0);
  },
};

export default [kills, forgottenAcks, afterSideEffect, beforeDone, secondStart];
