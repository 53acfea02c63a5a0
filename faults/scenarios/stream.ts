import { deepEqual, equal, ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { nothingLost, orderKept } from '../lib/ledger.ts';
import {
  drop,
  FAST,
  live,
  liveAlone,
  nextStreamRequest,
  POLL,
  realtimeOf,
  STREAM,
  sendTo,
} from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { until } from '../lib/workbench.ts';

const NOTHING_UNREAD = {
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ success: true, data: { messages: [] } }),
};

const reset: Scenario = {
  name: 'given a live stream that is reset, and a message while nothing gets through, then it is handled within 1 s of the reconnect, whether the server can replay or not',
  backends: ['http'],
  limitMs: 150_000,
  async run(bench) {
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const sent: string[] = [];
    const rounds = Array.from({ length: bench.full ? 20 : 2 }, (_, round) => round % 2 === 0);
    for (const canReplay of rounds) {
      const agent = bench.agent('prime', {}, FAST);
      const stream = await liveAlone(bench, agent);
      sent.push(await drop(bench));
      await until('heard', () => bench.ledger.handled().size === sent.length);
      equal(bench.ledger.starts().at(-1)!.source, 'sse', 'by the stream');
      gateway.rule = () => 'refuse';
      stream.reset();
      const resetAt = performance.now();
      await until('the loss is known', () => realtimeOf(agent) === 'fallback');
      bench.within(2_000, resetAt, 'until the loss was known');
      sent.push(...(await sendTo(bench, 3)));
      await sleep(3_000);
      // The stream comes back first, so that it is its catch-up that brings them.
      gateway.rule = ({ path }) => {
        if (path === STREAM) return canReplay ? undefined : { without: 'last-event-id' };
        if (gateway.stream) return undefined;
        // Polls that fail would take turns with it, and keep it away for as long as they are lucky.
        return path === POLL ? NOTHING_UNREAD : 'refuse';
      };
      await until('the stream is back', () => gateway.stream !== undefined, 90_000);
      const { openedAt } = gateway.stream!;
      await until('handled', () => bench.ledger.handled().size === sent.length, 60_000);
      bench.within(1_000, openedAt, 'from the reconnect');
      gateway.rule = () => undefined;
      equal((await agent.stop()).code, 0);
    }
    nothingLost(sent, bench.ledger.handled());
    equal(bench.ledger.starts().length, sent.length, 'each once');
    orderKept(bench.ledger.starts());
  },
};

const silence: Scenario = {
  name: 'given a live stream that goes silent and is never ended, then messages arrive by polling meanwhile, and it is replaced within its watchdog and 1 s',
  backends: ['http'],
  limitMs: 120_000,
  async run(bench) {
    const heartbeatMs = bench.full ? 30_000 : 2_000;
    const watchdogMs = 2.5 * heartbeatMs;
    await bench.serve('--heartbeat', `${heartbeatMs / 1_000}`);
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const agent = bench.agent('prime', {}, FAST);
    const sent: string[] = [];
    for (let round = 0; round < 2; round++) {
      const stream = await liveAlone(bench, agent);
      sent.push(await drop(bench));
      await until('heard', () => bench.ledger.handled().size === sent.length);
      equal(bench.ledger.starts().at(-1)!.source, 'sse', 'by the stream');
      const before = gateway.seen.length;
      stream.silence();
      const silentSince = stream.lastBytesAt!;
      const missed = await sendTo(bench, 5);
      sent.push(...missed);
      await until('handled', () => bench.ledger.handled().size === sent.length, watchdogMs);
      const starts = bench.ledger.starts().filter(({ id }) => missed.includes(id));
      deepEqual(new Set(starts.map(({ source }) => source)), new Set(['poll']));
      const next = await nextStreamRequest(gateway, before);
      bench.within(watchdogMs + 1_000, silentSince, 'from the last bytes to the next stream', next.at);
      ok(next.at - silentSince >= watchdogMs, 'a healthy stream would have been left alone');
    }
    await liveAlone(bench, agent);
    sent.push(await drop(bench));
    await until('heard', () => bench.ledger.handled().size === sent.length);
    equal(bench.ledger.starts().at(-1)!.source, 'sse', 'by the stream again');
    equal((await agent.stop()).code, 0);
    nothingLost(sent, bench.ledger.handled());
    equal(bench.ledger.starts().length, sent.length, 'each once');
    orderKept(bench.ledger.starts());
  },
};

const flapping: Scenario = {
  name: 'given a stream that breaks every two seconds or so, and 20 messages a second that polling brings as well, then each is handled exactly once and in order',
  backends: ['http'],
  limitMs: 150_000,
  async run(bench) {
    const flaps = bench.full ? 50 : 10;
    const resets = bench.full ? 10 : 1;
    await bench.register('prime', ['alice', 'bob']);
    const gateway = await bench.gateway();
    // After a reset the agent waits longer each time; after a silence it does not, and that is how it flaps this fast.
    const agent = bench.agent('prime', { FAULTS_WATCHDOG_MS: 1_000, FAULTS_LIVE_POLL_MS: 300 }, FAST);
    await live(bench, agent);
    const lasting = { from: ['alice', 'bob'], to: 'prime', rate: 20, content: '#n' };
    const { child, sent } = bench.sender({ ...lasting, count: 20 * 3 * flaps });
    for (let flap = 0; flap < flaps; flap++) {
      const stream = await live(bench, agent);
      await sleep(500 + bench.random() * 1_000);
      if (flap < flaps - resets) stream.silence();
      else stream.reset();
      await until('it is noticed', () => realtimeOf(agent) !== 'live');
    }
    child.signal('SIGTERM');
    await child.exit;
    await live(bench, agent);
    await until('all handled', () => sent().every((id) => bench.ledger.handled().has(id)));
    await until('all acked', async () => (await bench.unread('prime')) === 0);
    equal((await agent.stop()).code, 0);
    nothingLost(sent(), bench.ledger.handled());
    const starts = bench.ledger.starts();
    equal(starts.length, bench.ledger.handled().size, 'each once');
    orderKept(starts);
    const by = (source: string) => starts.filter((start) => start.source === source).length;
    bench.measured(`${by('sse')} by the stream, ${by('poll')} by polling`);
    ok(by('sse') > 20 && by('poll') > 20, 'both were at work');
    ok(gateway.count(({ path }) => path === POLL) > flaps, 'it was polled all the time');
  },
};

export default [reset, silence, flapping];
