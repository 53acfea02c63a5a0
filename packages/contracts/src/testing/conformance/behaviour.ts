import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { CleoError } from '../../errors.ts';
import type { ConduitMessage } from '../../message.ts';
import type { Transport, TransportConnectConfig } from '../../transport.ts';

/** What the table needs to know about a backend. Made anew, with an empty backend, for each behaviour. */
export interface ConformanceHarness {
  /** A new transport connected as the agent, which is registered when it is not. Twice for one agent gives two. */
  agent(agentId: string): Promise<Transport>;
  /** The same before it is connected, with what to connect it with. */
  unconnected(agentId: string): Promise<{ transport: Transport; config: TransportConnectConfig }>;
  /** Opens a group conversation of registered agents and answers its id. */
  group(agentIds: readonly string[]): Promise<string>;
  /** Called instead of testing when the transport lacks a capability; give the runner's own skip. */
  skip(reason: string): void;
  /** Disconnects what was connected and ends the backend. */
  close(): Promise<void>;
}

export interface Behaviour {
  /** A sentence. */
  name: string;
  /** Rejects with an `AssertionError` when the transport behaves otherwise. The runner closes the harness. */
  run(harness: ConformanceHarness): Promise<void>;
}

export type Capability = {
  [K in keyof Transport]-?: undefined extends Transport[K] ? K : never;
}[keyof Transport];

/** A transport of which these capabilities are known to be there. */
export type Having<C extends Capability> = Transport & Required<Pick<Transport, C>>;

export function behaviour(name: string, run: Behaviour['run']): Behaviour {
  return { name, run };
}

/** A behaviour of transports with these capabilities; others skip it and say so. */
export function having<const C extends Capability>(
  capabilities: readonly C[],
  name: string,
  run: (agent: (id: string) => Promise<Having<C>>, harness: ConformanceHarness) => Promise<void>,
): Behaviour {
  return behaviour(name, async (harness) => {
    const { transport } = await harness.unconnected('alice');
    const missing = capabilities.filter((capability) => typeof transport[capability] !== 'function');
    if (missing.length > 0) return harness.skip(`${transport.name} has no ${missing.join(', ')}`);
    await run((id) => harness.agent(id) as Promise<Having<C>>, harness);
  });
}

/** Numbers as contents, all on their way at once, a hundred at a time. */
export async function pushMany(from: Transport, to: string, count: number): Promise<void> {
  const all = numbers(count);
  while (all.length > 0) await Promise.all(all.splice(0, 100).map((content) => from.push(to, content)));
}

export function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${n + 1}`);
}

export function contents(messages: readonly ConduitMessage[]): string[] {
  return messages.map(({ content }) => content);
}

export function assertAscending(messages: readonly ConduitMessage[]): void {
  const seqs = messages.flatMap(({ seq }) => seq ?? []);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((a, b) => a - b),
    'seq is strictly ascending',
  );
}

export async function assertRejects(call: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(CleoError.is(error), `a CleoError, not ${error}`);
    assert.equal(error.code, code);
    return true;
  });
}

/** Waits up to 10 s. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadline = performance.now() + 10_000; !condition(); await sleep(5))
    assert.ok(performance.now() < deadline, `in 10 s: ${what}`);
}
