import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../lib/gateway.ts';
import { nothingLost } from '../lib/ledger.ts';
import { ACK, broughtByStream, FAST, live, POLL, STREAM, sendTo, stranger } from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { CLEO, until } from '../lib/workbench.ts';

const acksFail: Scenario = {
  name: 'given acks that are refused, never answered, or lost after the server took them, when it heals, then nothing is lost or started again and all is acked',
  backends: ['http', 'polling'],
  limitMs: 150_000,
  async run(bench) {
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    let agent = bench.agent('prime', {}, FAST);
    await agent.ready();
    const sent: string[] = [];
    const faults: [Fault, number][] = [
      [{ status: 500 }, 3_000],
      ['hang', 12_000],
      ['lose', 3_000],
    ];
    for (const [fault, ms] of faults) {
      const acksBefore = gateway.count(({ path }) => path === ACK);
      gateway.rule = ({ path }) => (path === ACK ? fault : undefined);
      sent.push(...(await sendTo(bench, 50)));
      await until('handled all the same', () => bench.ledger.handled().size === sent.length);
      await sleep(bench.full ? 60_000 : ms);
      ok(gateway.count(({ path }) => path === ACK) > acksBefore, 'acks were tried');
      if (fault === 'lose') equal(await bench.unread('prime'), 0, 'the server took them');
      else ok((await bench.unread('prime')) >= 50, 'no ack got through');
      // What was handled must not depend on this process.
      await agent.kill();
      agent = bench.agent('prime', {}, FAST);
      await agent.ready();
      gateway.rule = () => undefined;
      await until('all acked', async () => (await bench.unread('prime')) === 0, 60_000);
    }
    equal((await agent.stop()).code, 0);
    nothingLost(sent, bench.ledger.handled());
    equal(bench.ledger.starts().length, sent.length, 'each was started once');
  },
};

const badAnswers: Scenario = {
  name: 'given 500 to 504, truncated JSON, HTML with 200 and JSON of another shape, then each is a named error, the agent goes on and nothing is lost',
  backends: ['polling'],
  limitMs: 120_000,
  async run(bench) {
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const html = { 'content-type': 'text/html' };
    const faults: Fault[] = [
      ...[500, 502, 503, 504].map((status) => ({ status, body: '<h1>Bad gateway</h1>', headers: html })),
      { change: (body) => body.slice(0, -20) },
      { change: () => '<h1>Sign in to the network</h1>', headers: html },
      { change: () => '{"success":true,"data":{"letters":[]}}' },
      { change: () => '{"success":true,"data":{"messages":"none"}}' },
      { change: () => '[]' },
    ];
    // As often as the transport tries, and then a good answer: each fault is met by an agent in good order.
    const waiting = faults.flatMap((fault) => [fault, fault, fault, undefined]);
    gateway.rule = ({ path }) => (path === POLL ? waiting.shift() : undefined);
    const agent = bench.agent('prime', {}, [...FAST, '--log-level', 'debug']);
    await agent.ready();
    const sent: string[] = [];
    while (waiting.length > 0) {
      sent.push(...(await sendTo(bench, 5)));
      await sleep(200);
    }
    await until('all handled', () => bench.ledger.handled().size === sent.length);
    ok(agent.running);
    match(agent.output, /E_TRANSPORT_INVALID/);
    match(agent.output, /E_INTERNAL_/);
    equal((await agent.stop()).code, 0);
    equal(bench.ledger.starts().length, sent.length, 'each once');
  },
};

const oneBadMessage: Scenario = {
  name: 'given one message of a page without a sender, then the others are delivered and that one becomes a dead letter',
  backends: ['http', 'polling'],
  async run(bench) {
    await bench.register('prime', ['alice']);
    const sent = await sendTo(bench, 50);
    const bad = sent[20]!;
    const gateway = await bench.gateway();
    const spoil = (body: string): string => {
      const answer = JSON.parse(body) as { data: { messages: { id: string; fromAgentId?: string }[] } };
      for (const message of answer.data.messages) if (message.id === bad) delete message.fromAgentId;
      return JSON.stringify(answer);
    };
    gateway.rule = ({ path }) => (path === POLL ? { change: spoil } : undefined);
    const agent = bench.agent('prime', {}, FAST);
    await agent.ready();
    const dead = await agent.event('dead');
    equal(dead.id, bad);
    await until('all are acked', async () => (await bench.unread('prime')) === 0);
    equal((await agent.stop()).code, 0);
    nothingLost(
      sent.filter((id) => id !== bad),
      bench.ledger.handled(),
    );
    ok(!bench.ledger.handled().has(bad));
  },
};

const lostAnswers: Scenario = {
  name: 'given sends whose answer is lost after the server stored them, when they are sent again, then each message is there exactly once, and is handled once by an agent that hears at once',
  backends: ['http'],
  limitMs: 120_000,
  async run(bench) {
    await bench.register('prime', []);
    const gateway = await bench.gateway();
    const client = await bench.client('alice');
    const agent = bench.agent('prime');
    await live(bench, agent);
    gateway.rule = ({ path }) => (path === '/messages' && bench.random() < 0.5 ? 'lose' : undefined);
    let next = 0;
    const ids = new Set<string>();
    const worker = async () => {
      while (next < 1_000) {
        const content = `#${next++}`;
        for (let sent = false; !sent; )
          try {
            const { messageId } = await client.push('prime', content, { idempotencyKey: content });
            ids.add(messageId);
            sent = true;
          } catch (error) {
            // As a caller would who was told that it may help: after the time that was asked for.
            await sleep(Math.min(1_000, (error as { retryAfterMs?: number }).retryAfterMs ?? 50));
          }
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    ok(gateway.count(({ path }) => path === '/messages') > 1_200, 'answers were lost');
    equal(ids.size, 1_000);
    await until('all acked', async () => (await bench.unread('prime')) === 0);
    equal((await agent.stop()).code, 0);
    const starts = bench.ledger.starts();
    deepEqual(new Set(starts.map(({ id }) => id)), ids);
    equal(starts.length, 1_000, 'each once');
    equal(new Set(starts.map(({ content }) => content)).size, 1_000, 'none is there twice');
    broughtByStream(bench, 900);
  },
};

const redirects: Scenario = {
  name: 'given a redirect to another origin, then nothing is asked of that origin, and delivery goes on when the redirect is gone',
  backends: ['polling'],
  async run(bench) {
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const other = await stranger(bench);
    const elsewhere = `${other.url}${POLL}`;
    for (const status of [301, 302, 307, 308]) {
      gateway.rule = ({ path }) => (path === POLL ? { status, headers: { location: elsewhere } } : undefined);
      const agent = bench.agent('prime', {}, [...FAST, '--log-level', 'debug']);
      await agent.ready();
      await until(`${status} is refused`, () => agent.output.includes('E_TRANSPORT_REDIRECT'));
      gateway.rule = () => undefined;
      const [id] = await sendTo(bench, 1);
      await until('handled', () => bench.ledger.handled().has(id!));
      equal((await agent.stop()).code, 0);
    }
    equal(other.seen.length, 0);
  },
};

const refusedKey: Scenario = {
  name: 'given a key that the server refuses, then it is said, asked at most 3 times in 10 s, by poll and stream each',
  backends: ['http'],
  async run(bench) {
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const { apiKey } = await (await bench.dock()).rotateKey('prime', { overlapSeconds: 0 });
    bench.keys.push(apiKey);
    const agent = bench.agent('prime', {}, FAST);
    await agent.ready();
    await sleep(10_000);
    for (const wanted of [POLL, STREAM]) {
      const asked = gateway.count(({ path }) => path === wanted);
      ok(asked <= 3, `${wanted} was asked ${asked} times in 10 s`);
    }
    match(agent.output, /E_AUTH_/);
    equal((await agent.stop()).code, 0);
  },
};

const followsFifty: Scenario = {
  name: "given 50 followed groups, the server's own limit of 100 requests a minute and an impatient agent, then it stays under the limit and hears a mention in each",
  backends: ['http', 'polling'],
  limitMs: 120_000,
  async run(bench) {
    await bench.register('prime', ['alice']);
    await (await bench.server()).stop();
    await bench.serve('--rate-limit', '100');
    const dock = await bench.dock();
    const groups: string[] = [];
    for (let index = 0; index < 50; index++)
      groups.push(
        (await dock.createConversation('alice', { participants: ['prime'], visibility: 'shared' })).id,
      );
    const gateway = await bench.gateway();
    const follow = groups.flatMap((id) => ['--group', id]);
    const agent = bench.agent('prime', {}, [...FAST, ...follow]);
    await agent.ready();
    const began = gateway.seen.length;
    const sent: string[] = [];
    for (const conversationId of groups)
      sent.push((await dock.sendToConversation('alice', conversationId, { content: '@prime #0' })).groupId!);
    await until('all handled', () => bench.ledger.handled().size === 50, 70_000);
    await sleep(bench.full ? 45_000 : 8_000);
    equal((await agent.stop()).code, 0);
    equal(
      gateway.count(({ status }) => status === 429),
      0,
      'the limit was never met',
    );
    ok(gateway.seen.length - began <= 100, `${gateway.seen.length - began} requests`);
    deepEqual([...bench.ledger.handled()].sort(), sent.sort());
  },
};

const plaintext: Scenario = {
  name: 'given a plain http address that is not this machine, then it is refused before the key leaves the process',
  backends: ['http'],
  async run(bench) {
    const { code, output } = await bench.cleo(
      'agent',
      'register',
      'prime',
      '--api-url',
      'http://backend.invalid',
    );
    equal(code, 2, output);
    match(output, /https/);
    await bench.register('prime', []);
    const apiKey = `sk_live_${'0'.repeat(64)}`;
    const agent = "{ id: 'prime', apiBaseUrl: 'http://backend.invalid', apiKey: process.env.PLAIN_KEY }";
    const config = bench.write('plain.config.mjs', `export default { agent: ${agent} };`);
    const started = bench.spawn([CLEO, 'agent', 'start', '--json', '--config', config], {
      PLAIN_KEY: apiKey,
    });
    equal((await started.exit).code, 2, started.output);
    match(started.output, /E_TRANSPORT_INSECURE/);
  },
};

export default [
  acksFail,
  badAnswers,
  oneBadMessage,
  lostAnswers,
  redirects,
  refusedKey,
  followsFifty,
  plaintext,
];
