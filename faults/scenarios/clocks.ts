import { equal, ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { nothingLost, orderKept } from '../lib/ledger.ts';
import { drop, FAST, HEARTBEAT, live, liveAlone, nextStreamRequest, STREAM } from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { WallClock } from '../lib/wall-clock.ts';
import { until } from '../lib/workbench.ts';

const blocked: Scenario = {
  name: 'given a handler that blocks the event loop for 45 s (8, in CI), then its message is handled once, the stream is opened anew, and what came meanwhile is handled',
  backends: ['http'],
  limitMs: 120_000,
  async run(bench) {
    const blockMs = bench.full ? 45_000 : 8_000;
    await bench.register('prime', ['alice', 'bob']);
    const gateway = await bench.gateway();
    const dock = await bench.dock();
    const agent = bench.agent('prime', {}, FAST);
    const stream = await liveAlone(bench, agent);
    const blocker = await drop(bench, JSON.stringify({ do: 'block', ms: blockMs }));
    await until('it blocks', () => bench.ledger.starts().length === 1);
    const began = performance.now();
    const before = gateway.seen.length;
    const missed = [];
    for (let n = 0; n < 20; n++) missed.push((await dock.send('bob', 'prime', { content: `#${n}` })).id);
    await until('it goes on', () => bench.ledger.handled().has(blocker), blockMs + 5_000);
    const wentOn = performance.now();
    ok(wentOn - began >= blockMs - 500, 'nothing else ran');
    const next = await nextStreamRequest(gateway, before, 5_000);
    bench.within(2_500, wentOn, 'until the stream was asked for anew', Math.max(next.at, wentOn));
    ok(!stream.open, 'the old one is gone');
    await until('caught up', () => bench.ledger.handled().size === 1 + missed.length, 5_000);
    bench.within(5_000, wentOn, 'until everything was handled');
    await live(bench, agent);
    const beat = () => gateway.seen.slice(before).some(({ path }) => path === HEARTBEAT);
    await until('others are told', beat, 5_000);
    await until('all acked', async () => (await bench.unread('prime')) === 0);
    equal((await agent.stop()).code, 0);
    nothingLost([blocker, ...missed], bench.ledger.handled());
    equal(bench.ledger.lines().length, 2 * (1 + missed.length), 'each was begun once and completed once');
    orderKept(bench.ledger.starts());
  },
};

/** Whose clock is then so many hours off. */
const JUMPS: [whose: 'agent' | 'both', hours: number][] = [
  ['agent', 1],
  ['agent', -1],
  ['agent', 24],
  ['agent', -24],
  ['both', 1],
  ['both', -1],
];
const WATCH_MS = 3_000;
const HEARTBEAT_MS = 1_000;

const jumps: Scenario = {
  name: 'given a wall clock that jumps by an hour and by a day, forth and back, then heartbeats, the stream and delivery go on as before, no key grows old of it, and what was handled stays known',
  backends: ['http'],
  skip: WallClock.missing,
  limitMs: 150_000,
  async run(bench) {
    const [clock, serverClock] = [new WallClock(bench), new WallClock(bench)];
    bench.serverEnv = serverClock.env;
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const settings = {
      ...clock.env,
      FAULTS_HEARTBEAT_MS: HEARTBEAT_MS,
      FAULTS_MAX_KEY_AGE_MS: 12 * 3_600_000,
      FAULTS_KEY_CHECK_MS: 1_000,
    };
    const agent = bench.agent('prime', settings);
    await live(bench, agent);
    const sent: string[] = [];
    const beats: number[] = [];
    let slowest = 0;
    for (const [whose, hours] of JUMPS) {
      clock.jump(hours);
      if (whose === 'both') serverClock.jump(hours);
      // Both processes look at their clock within a second.
      await sleep(1_500);
      const [since, began] = [gateway.seen.length, performance.now()];
      for (let n = 0; n < 3; n++) sent.push(await drop(bench));
      await until('handled', () => bench.ledger.handled().size === sent.length, 10_000);
      slowest = Math.max(slowest, performance.now() - began);
      await sleep(Math.max(0, WATCH_MS - (performance.now() - began)));
      const beatsMeant = (performance.now() - began) / HEARTBEAT_MS;
      const requests = gateway.seen.slice(since);
      const count = (wanted: string) => requests.filter(({ path }) => path === wanted).length;
      beats.push(count(HEARTBEAT));
      // Each wait is up to a tenth shorter; a clock that goes ahead causes one more.
      const [least, most] = [beatsMeant - 2, beatsMeant / 0.9 + 2];
      ok(
        beats.at(-1)! >= least && beats.at(-1)! <= most,
        `${hours} h: ${beats.at(-1)} heartbeats of ${beatsMeant}`,
      );
      ok(count(STREAM) <= 1, `${hours} h: ${count(STREAM)} streams`);
      ok(requests.length <= 40, `${hours} h: ${requests.length} requests`);
    }
    bench.measured(`${beats.join(', ')} heartbeats in ${WATCH_MS / 1_000} s each, one a second is meant`);
    bench.measured(`handled within ${Math.round(slowest)} ms`);
    equal(
      gateway.count(({ path }) => path.endsWith('/rotate-key')),
      0,
      'no key was replaced',
    );
    await live(bench, agent);
    equal((await agent.stop()).code, 0);
    nothingLost(sent, bench.ledger.handled());
    for (const hours of [24, -24]) {
      clock.jump(hours);
      serverClock.jump(hours);
      await bench.forgetAcks();
      const again = bench.agent('prime', settings);
      await again.ready();
      await until('acked again', async () => (await bench.unread('prime')) === 0);
      equal((await again.stop()).code, 0);
    }
    equal(bench.ledger.starts().length, sent.length, 'each once, in spite of all');
  },
};

export default [blocked, jumps];
