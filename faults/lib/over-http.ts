import { ok } from 'node:assert/strict';
import type { AgentProcess } from './agent-process.ts';
import { Gateway, type Seen } from './gateway.ts';
import type { Relay } from './relay.ts';
import { until, type Workbench } from './workbench.ts';

export const POLL = '/messages/peek';
export const ACK = '/messages/ack';
export const STREAM = '/messages/stream';
export const HEARTBEAT = '/agents/prime/heartbeat';
/** For an agent that should be met in the middle of its work. */
export const FAST = ['--poll-interval', '200'];

/** Sends to the agent past the network, as another process of the server's machine would. */
export function sendTo(bench: Workbench, count: number): Promise<string[]> {
  return bench.send({ from: ['alice'], to: 'prime', count, rate: 0, content: '#n' });
}

/** Puts one message into the dock, faster than {@link sendTo}, for where moments count. */
export async function drop(bench: Workbench, content = 'hello'): Promise<string> {
  return (await (await bench.dock()).send('alice', 'prime', { content })).id;
}

/** Another origin, that answers whatever it is asked, and remembers it. */
export async function stranger(bench: Workbench): Promise<Gateway> {
  const other = await Gateway.start(() => '');
  bench.onCleanUp(() => other.close());
  other.rule = () => ({ status: 200, body: '{}' });
  return other;
}

/** What the agent says of its stream now. */
export function realtimeOf(agent: AgentProcess): string | undefined {
  return agent.events.findLast(({ event }) => event === 'realtime')?.state as string | undefined;
}

/** Resolves with the stream of an agent once the agent calls it live and the gateway has seen bytes of it pass. */
export async function live(bench: Workbench, agent: AgentProcess, ms = 45_000): Promise<Relay> {
  const gateway = await bench.gateway();
  const isLive = () => realtimeOf(agent) === 'live' && gateway.stream?.lastBytesAt !== undefined;
  await until('the stream is live', isLive, ms);
  return gateway.stream!;
}

/** The same, and the poller has come to rest: what is sent now comes by the stream. */
export async function liveAlone(bench: Workbench, agent: AgentProcess, ms?: number): Promise<Relay> {
  const stream = await live(bench, agent, ms);
  const { seen } = await bench.gateway();
  const lastPoll = () => seen.findLast(({ path }) => path === POLL)?.at ?? 0;
  await until('polling rests', () => performance.now() - lastPoll() > 500);
  return stream;
}

/** The first request for a stream after the `seen`-th of all requests; waits for it. */
export async function nextStreamRequest(gateway: Gateway, seen: number, ms = 45_000): Promise<Seen> {
  const next = () => gateway.seen.slice(seen).find(({ path }) => path === STREAM);
  await until('the stream is asked for again', () => next() !== undefined, ms);
  return next()!;
}

/** Asserts that at least so many messages came by the agent's stream, or were fetched on its behalf. */
export function broughtByStream(bench: Workbench, least: number): void {
  const starts = bench.ledger.starts();
  const count = starts.filter(({ source }) => source === 'sse').length;
  ok(count >= least, `the stream brought ${count}`);
  bench.measured(`the stream brought ${count} of ${starts.length}`);
}
