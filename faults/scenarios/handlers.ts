import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { nothingLost, orderKept } from '../lib/ledger.ts';
import { broughtByStream, live } from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { until } from '../lib/workbench.ts';

const poison: Scenario = {
  name: 'given a handler that throws on one message, then the others are handled, it is tried 5 times with backoff, and becomes a dead letter with its reason',
  async run(bench) {
    const others = Array.from({ length: 5 }, (_, index) => `other-${index}`);
    await bench.register('prime', ['mallory', ...others]);
    const [bad] = await bench.send({
      from: ['mallory'],
      to: 'prime',
      count: 1,
      rate: 0,
      content: '{"do":"throw"}',
    });
    const good = await bench.send({ from: others, to: 'prime', count: 50, rate: 0, content: '#n' });
    const agent = bench.agent('prime', { FAULTS_RETRY_MS: 200 });
    await agent.ready();
    await until('the others are handled', () => bench.ledger.handled().size === 50, 10_000);
    nothingLost(good, bench.ledger.handled());
    const dead = await agent.event('dead');
    equal(dead.id, bad);
    equal(dead.attempts, 5);
    match(String(dead.error), /poison/);
    const starts = bench.ledger.starts().filter(({ id }) => id === bad);
    deepEqual(
      starts.map(({ attempt }) => attempt),
      [1, 2, 3, 4, 5],
    );
    const gaps = starts.slice(1).map(({ at }, index) => at! - starts[index]!.at!);
    ok(
      gaps.every((gap, index) => gap >= 100 * 2 ** index),
      `backoff: ${gaps}`,
    );
    await until('acked', async () => (await bench.unread('prime')) === 0);
    const listed = await bench.cleo('agent', 'dead-letters', 'prime', 'list');
    equal(listed.lines.length, 2);
    match(JSON.stringify(listed.lines[0]), /poison/);
    ok(agent.running);
    const replayed = await bench.cleo('agent', 'dead-letters', 'prime', 'replay', bad!);
    equal(replayed.code, 0, replayed.output);
    await until(
      'replayed while it runs',
      () => bench.ledger.starts().filter(({ id }) => id === bad).length > 5,
    );
    equal((await agent.stop()).code, 0);
  },
};

const neverSettles: Scenario = {
  name: 'given a handler that never settles, when its timeout passes, then the slot is freed and the message retried',
  async run(bench) {
    const others = Array.from({ length: 4 }, (_, index) => `other-${index}`);
    await bench.register('prime', ['mallory', ...others]);
    const [stuck] = await bench.send({
      from: ['mallory'],
      to: 'prime',
      count: 1,
      rate: 0,
      content: '{"do":"hang"}',
    });
    const agent = bench.agent('prime', {
      FAULTS_CONCURRENCY: 1,
      FAULTS_MESSAGE_MS: 400,
      FAULTS_RETRY_MS: 200,
    });
    await agent.ready();
    await agent.event(({ event, id }) => event === 'message' && id === stuck);
    await bench.send({ from: others, to: 'prime', count: 20, rate: 0, content: '#n' });
    await until('the one slot came free', () => bench.ledger.handled().size === 20);
    const dead = await agent.event('dead');
    equal(dead.id, stuck);
    match(String(dead.error), /did not settle within 400 ms/);
    equal(bench.ledger.startsById().get(stuck!), 5);
    equal((await agent.stop()).code, 0);
  },
};

const order: Scenario = {
  name: 'given 50 conversations of 200 messages at concurrency 16, then no message overtakes another of its conversation',
  backends: ['embedded', 'http'],
  limitMs: 120_000,
  async run(bench) {
    const others = Array.from({ length: 50 }, (_, index) => `other-${index}`);
    await bench.register('prime', others);
    const agent = bench.agent('prime', { FAULTS_JITTER_MS: 3 });
    if (bench.backend === 'http') await live(bench, agent);
    else await agent.ready();
    const sent = await bench.send({
      from: others,
      to: 'prime',
      count: 10_000,
      rate: 0,
      content: 'message #n',
    });
    equal(sent.length, 10_000);
    await until('all handled', () => bench.ledger.lines().length >= 20_000, 90_000);
    equal((await agent.stop()).code, 0);
    nothingLost(sent, bench.ledger.handled());
    equal(bench.ledger.starts().length, 10_000, 'each once');
    orderKept(bench.ledger.starts());
    if (bench.backend === 'http') broughtByStream(bench, 100);
  },
};

const mentions: Scenario = {
  name: 'given a burst of 500 group mentions between two polls, then all 500 are delivered in order, each once',
  backends: ['embedded', 'http', 'polling'],
  async run(bench) {
    await bench.register('prime', ['alice', 'bob']);
    const dock = await bench.dock();
    const { id } = await dock.createConversation('alice', { participants: ['bob', 'prime'] });
    const agent = bench.agent('prime', {}, ['--group', id]);
    if (bench.backend === 'http') await live(bench, agent);
    else await agent.ready();
    await bench.send({
      from: ['alice'],
      conversationId: id,
      count: 500,
      rate: 0,
      content: '@prime look at #n',
    });
    await until('all handled', () => bench.ledger.handled().size === 500);
    equal((await agent.stop()).code, 0);
    equal(bench.ledger.starts().length, 500, 'the copy and the conversation are one message');
    orderKept(bench.ledger.starts());
    if (bench.backend === 'http') broughtByStream(bench, 20);
  },
};

const ownMessages: Scenario = {
  name: "given the agent's own messages echoed by the backend, then none is ever handed to it",
  backends: ['embedded', 'http'],
  async run(bench) {
    await bench.register('prime', ['alice', 'bob']);
    const dock = await bench.dock();
    const { id } = await dock.createConversation('alice', { participants: ['bob', 'prime'] });
    const agent = bench.agent('prime', {}, ['--group', id]);
    await agent.ready();
    await bench.send({ from: ['prime'], conversationId: id, count: 5, rate: 0, content: '@prime @all #n' });
    const [last] = await bench.send({
      from: ['alice'],
      to: 'prime',
      count: 1,
      rate: 0,
      content: 'from alice',
    });
    await until('the other message is handled', () => bench.ledger.handled().has(last!));
    await until('nothing is left unread', async () => (await bench.unread('prime')) === 0);
    equal((await agent.stop()).code, 0);
    deepEqual(
      bench.ledger.starts().map(({ content }) => content),
      ['from alice'],
    );
  },
};

export default [poison, neverSettles, order, mentions, ownMessages];
