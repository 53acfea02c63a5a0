import { deepEqual, equal, match, ok } from 'node:assert/strict';
import type { AgentEvent } from '../lib/agent-process.ts';
import { type Fault, Gateway } from '../lib/gateway.ts';
import { nothingLost } from '../lib/ledger.ts';
import {
  drop,
  FAST,
  live,
  liveAlone,
  nextStreamRequest,
  realtimeOf,
  STREAM,
  stranger,
} from '../lib/over-http.ts';
import type { Relay } from '../lib/relay.ts';
import type { Scenario } from '../lib/scenario.ts';
import { canSelfSign, selfSigned } from '../lib/self-signed.ts';
import { CLEO, until } from '../lib/workbench.ts';

const badAnswers: Scenario = {
  name: 'given a request for a stream that is answered by anything but a stream, or not at all, then it is named, messages are polled meanwhile, and the stream is live once there is one',
  backends: ['http'],
  limitMs: 180_000,
  async run(bench) {
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const html = { 'content-type': 'text/html' };
    const packed = { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' };
    const faults: [Fault, code: string, again?: 'not asked again'][] = [
      [{ status: 502, body: '<h1>Bad gateway</h1>', headers: html }, 'E_INTERNAL_SERVICE'],
      [{ status: 200, body: '<h1>Sign in to the network</h1>', headers: html }, 'E_TRANSPORT_INVALID'],
      [{ status: 200, body: 'x', headers: packed }, 'E_TRANSPORT_INVALID'],
      [{ status: 204 }, 'E_STREAM_UNAVAILABLE', 'not asked again'],
      [{ status: 404, body: '{}' }, 'E_STREAM_UNAVAILABLE', 'not asked again'],
      ['refuse', 'E_TRANSPORT_UNREACHABLE'],
      ['lose', 'E_TRANSPORT_UNREACHABLE'],
      ['hang', 'E_TRANSPORT_TIMEOUT'],
      // A proxy that collects what it passes on.
      ['stall', 'E_STREAM_BUFFERED'],
    ];
    let handled = 0;
    const slowest = { ms: 0 };
    for (const [fault, code, again] of faults) {
      gateway.rule = ({ path }) => (path === STREAM ? fault : undefined);
      const agent = bench.agent('prime', {}, FAST);
      await agent.ready();
      const isIt = (event: AgentEvent) =>
        event.event === 'realtime' && (event.problem as { code?: string })?.code === code;
      await agent.event(isIt, 20_000);
      const sentAt = performance.now();
      await drop(bench);
      handled += 1;
      await until('polled', () => bench.ledger.handled().size === handled, 5_000);
      slowest.ms = Math.max(slowest.ms, Math.round(performance.now() - sentAt));
      equal(bench.ledger.starts().at(-1)!.source, 'poll');
      ok(realtimeOf(agent) !== 'live');
      gateway.rule = () => undefined;
      if (!again) await live(bench, agent);
      equal((await agent.stop()).code, 0);
    }
    bench.measured(`polled within ${slowest.ms} ms`);
    equal(bench.ledger.starts().length, handled, 'each once');
  },
};

const askedToWait: Scenario = {
  name: 'given 429 and 503 with Retry-After, in seconds and as a date, then no stream is asked for any earlier, and messages arrive by polling meanwhile',
  backends: ['http'],
  limitMs: 120_000,
  async run(bench) {
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const inSeconds = { waitMs: 5_000, headers: { 'retry-after': '5' } };
    const byDate = (clock: number) => {
      const at = new Date(clock + 6_000).toUTCString();
      const headers = { date: new Date(clock).toUTCString(), 'retry-after': at };
      return { waitMs: Date.parse(at) - clock, headers };
    };
    const answers = [
      () => ({ status: 429, ...inSeconds }),
      () => ({ status: 429, ...byDate(Date.now()) }),
      // The clock of this one is an hour ahead.
      () => ({ status: 429, ...byDate(Date.now() + 3_600_000) }),
      () => ({ status: 503, ...inSeconds }),
    ];
    const asked: { at: number; earliestNext: number }[] = [];
    gateway.rule = ({ path, at }) => {
      const answer = path === STREAM ? answers[asked.length]?.() : undefined;
      if (path === STREAM) asked.push({ at, earliestNext: at + (answer?.waitMs ?? 0) });
      return answer;
    };
    const agent = bench.agent('prime', {}, FAST);
    await agent.ready();
    const sent: string[] = [];
    for (let refused = 1; refused <= answers.length; refused++) {
      await until('it is refused', () => asked.length === refused, 20_000);
      sent.push(await drop(bench));
      await until('polled', () => bench.ledger.handled().size === sent.length, 4_500);
      equal(bench.ledger.starts().at(-1)!.source, 'poll');
    }
    await live(bench, agent);
    const late = asked.slice(1).map(({ at }, index) => Math.round(at - asked[index]!.earliestNext));
    bench.measured(`asked again ${late.join(', ')} ms after the earliest moment`);
    ok(Math.min(...late) >= 0, `${late}`);
    equal((await agent.stop()).code, 0);
    nothingLost(sent, bench.ledger.handled());
    equal(bench.ledger.starts().length, sent.length, 'each once');
  },
};

const redirects: Scenario = {
  name: 'given a redirect of the stream to another origin or from https to http, then no key is sent there and messages are polled; one inside the origin is followed',
  backends: ['http'],
  skip: () => (canSelfSign() ? undefined : 'needs openssl'),
  limitMs: 120_000,
  async run(bench) {
    const plain = await bench.gateway();
    await bench.server();
    const { file, ...tls } = selfSigned(bench);
    const secure = await Gateway.start(() => plain.url, tls);
    bench.onCleanUp(() => secure.close());
    const trusting = { NODE_EXTRA_CA_CERTS: file };
    const command = [CLEO, 'agent', 'register', 'prime', '--api-url', secure.url, '--json'];
    const registering = bench.spawn(command, trusting);
    equal((await registering.exit).code, 0, registering.output);
    await (await bench.dock()).registerAgent({ agentId: 'alice' });
    const other = await stranger(bench);
    let location = '';
    let status = 0;
    secure.rule = ({ path }) => (path === STREAM ? { status, headers: { location } } : undefined);
    const agent = bench.agent('prime', trusting, [...FAST, '--log-level', 'debug']);
    const sent: string[] = [];
    const statuses = bench.full ? [301, 302, 303, 307, 308] : [302, 307];
    for (const origin of [other.url, plain.url])
      for (status of statuses) {
        location = `${origin}${STREAM}`;
        await nextStreamRequest(secure, secure.seen.length);
        sent.push(await drop(bench));
        await until('polled', () => bench.ledger.handled().size === sent.length, 10_000);
        equal(bench.ledger.starts().at(-1)!.source, 'poll');
      }
    match(agent.output, /E_TRANSPORT_REDIRECT/);
    equal(other.seen.length, 0, 'the other origin was asked nothing');
    equal(
      plain.count(({ path }) => path === STREAM),
      0,
      'the stream was not asked for in the clear',
    );
    const here = { status: 307, headers: { location: `${STREAM}?moved=1` } };
    secure.rule = ({ path, query }) => (path === STREAM && query === '' ? here : undefined);
    await until('the stream is live', () => realtimeOf(agent) === 'live', 45_000);
    const { authorized, query } = secure.streams.at(-1)!.request;
    deepEqual({ authorized, query }, { authorized: true, query: 'moved=1' });
    equal((await agent.stop()).code, 0);
    nothingLost(sent, bench.ledger.handled());
    equal(bench.ledger.starts().length, sent.length, 'each once');
  },
};

/** What happens to the frames of one message on their way. */
const MANGLED: Record<string, (frame: string, stream: Relay) => void> = {
  'it has no sender': (frame, stream) => stream.send(frame.replaceAll(/"from\w*":"alice",?/gi, '')),
  'it is no JSON': (frame, stream) => stream.send(frame.replace(/data: .*/, 'data: {"id":')),
  'it has no id': (frame, stream) =>
    stream.send(frame.replace(/^id: .*\n/m, '').replaceAll(/"(id|message_?id)":"[^"]*",/gi, '')),
  'it comes twice': (frame, stream) => {
    stream.send(frame);
    stream.send(frame);
  },
  'it comes byte by byte': (frame, stream) => {
    for (const byte of Buffer.from(frame)) stream.send(Buffer.of(byte));
  },
  'it comes between lines that mean nothing': (frame, stream) =>
    stream.send(`: hello\n\nevent: error\ndata: {}\n\nretry: soon\n\nevent: news\ndata\n\n${frame}`),
};

const badEvents: Scenario = {
  name: 'given events that cannot be read, come twice, or byte by byte, then each message is handled once, and the stream stays',
  backends: ['http'],
  async run(bench) {
    await bench.register('prime', ['alice']);
    const agent = bench.agent('prime', {}, [...FAST, '--log-level', 'debug']);
    const stream = await liveAlone(bench, agent);
    const sent: string[] = [];
    for (const [what, mangle] of Object.entries(MANGLED)) {
      stream.through = (piece) => {
        if (piece.includes('event: message')) mangle(piece.toString(), stream);
        else stream.send(piece);
      };
      sent.push(await drop(bench));
      await until(`handled although ${what}`, () => bench.ledger.handled().has(sent.at(-1)!), 10_000);
      await live(bench, agent);
    }
    match(agent.output, /E_STREAM_UNREADABLE/);
    ok(stream.open, 'it was never replaced');
    equal((await agent.stop()).code, 0);
    nothingLost(sent, bench.ledger.handled());
    equal(bench.ledger.starts().length, sent.length, 'each once');
  },
};

export default [badAnswers, askedToWait, redirects, badEvents];
