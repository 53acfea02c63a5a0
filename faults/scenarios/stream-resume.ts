import { equal, ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { nothingLost } from '../lib/ledger.ts';
import {
  drop,
  FAST,
  live,
  liveAlone,
  nextStreamRequest,
  POLL,
  realtimeOf,
  STREAM,
} from '../lib/over-http.ts';
import type { Relay } from '../lib/relay.ts';
import type { Scenario } from '../lib/scenario.ts';
import { until, type Workbench } from '../lib/workbench.ts';

/** Where a frame is cut, and what of it the client gets. */
const CUTS: Record<string, (frame: string) => number> = {
  'after its id': (frame) => frame.indexOf('\n', frame.indexOf('id: ')) + 1,
  'inside its data': (frame) => frame.indexOf('data: ') + 40,
  'before the blank line that ends it': (frame) => frame.length - 1,
};

const partial: Scenario = {
  name: 'given a connection that breaks in the middle of an event, then the event is not delivered, the next request names the one before it, and it comes whole',
  backends: ['http'],
  limitMs: 120_000,
  async run(bench) {
    const gateway = await bench.gateway();
    const places = Object.keys(CUTS);
    for (const index of places.keys()) await bench.register(`prime-${index}`, index === 0 ? ['alice'] : []);
    // From the cut on a message can only come by a stream, and that only once polling works again.
    const deaf = new Set<string>();
    gateway.rule = ({ path, agentId }) => (path === POLL && deaf.has(agentId!) ? 'refuse' : undefined);
    // All of them at once: each waits for up to ten seconds before it connects again.
    await Promise.all(places.map((where, index) => cutAt(bench, where, `prime-${index}`, deaf)));
    const counts = [...bench.ledger.startsById().values()];
    ok(
      counts.every((count) => count === 1),
      'each once',
    );
  },
};

async function cutAt(bench: Workbench, where: string, id: string, deaf: Set<string>): Promise<void> {
  const gateway = await bench.gateway();
  const dock = await bench.dock();
  const send = async () => (await dock.send('alice', id, { content: where })).id;
  const startOf = (message: string) => bench.ledger.starts().find((start) => start.id === message);
  const requests = () => gateway.seen.filter(({ path, agentId }) => path === STREAM && agentId === id);
  const agent = bench.agent(id, {}, FAST);
  await until('the stream is live', () => realtimeOf(agent) === 'live');
  let whole = '';
  // The first ones may still be brought by the poller.
  while (startOf(whole)?.source !== 'sse') {
    whole = await send();
    await until('it is handled', () => bench.ledger.handled().has(whole));
  }
  deaf.add(id);
  const passed = cutIn(gateway.streams.find(({ request }) => request.agentId === id)!, CUTS[where]!);
  const broken = await send();
  await until('its frame was cut', () => passed.text !== undefined);
  ok(passed.text!.includes(broken), `${where}: the client was given its id`);
  await until('the stream is asked for again', () => requests().length === 2);
  equal(requests()[1]!.lastEventId, whole, where);
  equal(startOf(broken), undefined, `${where}: it was not delivered`);
  deaf.delete(id);
  await until('it comes whole', () => bench.ledger.handled().has(broken), 60_000);
  equal((await agent.stop()).code, 0);
}

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
