import { equal, ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { nothingLost } from '../lib/ledger.ts';
import { drop, FAST, live, liveAlone, nextStreamRequest, POLL, STREAM } from '../lib/over-http.ts';
import type { Relay } from '../lib/relay.ts';
import type { Scenario } from '../lib/scenario.ts';
import { until } from '../lib/workbench.ts';

/** Where a frame is cut, and what of it the client gets. */
const CUTS: Record<string, (frame: string) => number> = {
  'after its id': (frame) => frame.indexOf('\n', frame.indexOf('id: ')) + 1,
  'inside its data': (frame) => frame.indexOf('data: ') + 40,
  'before the blank line that ends it': (frame) => frame.length - 1,
};

const partial: Scenario = {
  name: 'given a connection that breaks in the middle of an event, then the event is not delivered, the next request names the one before it, and it comes whole',
  backends: ['http'],
  limitMs: 150_000,
  async run(bench) {
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const agent = bench.agent('prime', {}, FAST);
    for (const [where, cut] of Object.entries(CUTS)) {
      const stream = await liveAlone(bench, agent);
      const whole = await drop(bench);
      await until('the one before is handled', () => bench.ledger.handled().has(whole));
      equal(bench.ledger.starts().at(-1)!.source, 'sse', 'by the stream');
      // From here on it can only come by a stream, and that only once polling works again.
      gateway.rule = ({ path }) => (path === POLL ? 'refuse' : undefined);
      const passed = cutIn(stream, cut);
      const before = gateway.seen.length;
      const broken = await drop(bench);
      await until('its frame was cut', () => passed.text !== undefined);
      ok(passed.text!.includes(broken), `${where}: the client was given its id`);
      const next = await nextStreamRequest(gateway, before);
      equal(next.lastEventId, whole, where);
      ok(!bench.ledger.starts().some(({ id }) => id === broken), `${where}: it was not delivered`);
      gateway.rule = () => undefined;
      await until('it comes whole', () => bench.ledger.handled().has(broken), 60_000);
    }
    equal((await agent.stop()).code, 0);
    equal(bench.ledger.starts().length, 2 * Object.keys(CUTS).length, 'each once');
  },
};

const restart: Scenario = {
  name: 'given a restart, then the first request for a stream names the last event that was taken; after kill -9 as well, and nothing from before is handled again',
  backends: ['http'],
  async run(bench) {
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const sent: string[] = [];
    const first = bench.agent('prime');
    equal((await nextStreamRequest(gateway, 0)).lastEventId, undefined, 'there was none before');
    let agent = first;
    for (const end of ['SIGTERM', 'SIGKILL'] as const) {
      await liveAlone(bench, agent);
      for (let n = 0; n < 3; n++) sent.push(await drop(bench));
      await until('handled', () => bench.ledger.handled().size === sent.length);
      equal(bench.ledger.starts().at(-1)!.source, 'sse', 'by the stream');
      // It is written down within a second; a kill before that costs the server a look back, and nothing else.
      if (end === 'SIGKILL') await sleep(2_500);
      agent.signal(end);
      equal((await agent.exit).code, end === 'SIGTERM' ? 0 : null);
      const before = gateway.seen.length;
      sent.push(await drop(bench));
      agent = bench.agent('prime');
      equal((await nextStreamRequest(gateway, before)).lastEventId, sent.at(-2), `after ${end}`);
      await until('what came meanwhile is handled', () => bench.ledger.handled().has(sent.at(-1)!));
    }
    await live(bench, agent);
    equal((await agent.stop()).code, 0);
    nothingLost(sent, bench.ledger.handled());
    equal(bench.ledger.starts().length, sent.length, 'each once');
    equal(
      gateway.count(({ path, query }) => path === STREAM && query !== ''),
      0,
      'nothing in the address',
    );
  },
};

/** Lets the first part of the next message through, and then ends the connection. */
function cutIn(stream: Relay, cut: (frame: string) => number): { text?: string } {
  const passed: { text?: string } = {};
  stream.through = (piece) => {
    const frame = piece.toString();
    if (!frame.includes('event: message')) return stream.send(piece);
    passed.text = frame.slice(0, cut(frame));
    stream.send(passed.text);
    stream.through = () => {};
    // A moment later, so that what was sent is not lost with the connection.
    setTimeout(() => stream.cut(), 100);
  };
  return passed;
}

export default [partial, restart];
