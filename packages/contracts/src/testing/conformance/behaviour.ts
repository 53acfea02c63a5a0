import type { Transport, TransportConnectConfig } from '../../transport.ts';

/** What the table needs to know about a backend. Made anew, with an empty backend, for each behaviour. */
export interface ConformanceHarness {
  /** A new transport connected as the agent, which is registered when it is not. Twice for one agent gives two. */
  agent(agentId: string): Promise<Transport>;
  /** The same before it is connected, with what to connect it with. */
  unconnected(agentId: string): Promise<{ transport: Transport; config: TransportConnectConfig }>;
  /** Opens a group conversation of registered agents and answers its id. */
  group(agentIds: readonly string[]): Promise<string>;
  /**
   * Ends the backend and starts it again with its data, where connected transports find it. Resolves once it is there.
   * Without it, what a transport does when its backend restarts is skipped.
   */
  restart?(): Promise<void>;
  /**
   * Makes the backend silent: what is asked from now on gets no answer, until the function that it resolves with is
   * called. Without it, what a transport does while it waits is skipped. `FaultProxy.blackHole` is a way to do it.
   */
  silence?(): Promise<() => Promise<void>>;
  /** How long to wait for what must come, in milliseconds. Default 10,000. */
  patienceMs?: number;
  /** Called instead of testing when something is lacking; give the runner's own skip. */
  skip(reason: string): void;
  /** Disconnects what was connected and ends the backend. */
  close(): Promise<void>;
}

/** One row of the conformance table: what a transport must do. */
export interface Behaviour {
  /** A sentence. */
  name: string;
  /**
   * Rejects when the transport behaves otherwise: with an `AssertionError`, or with what the transport refused a call with
   * that it should answer. The runner closes the harness.
   */
  run(harness: ConformanceHarness): Promise<void>;
}

/** An optional member of a transport. */
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
