import type { Transport, TransportConnectConfig } from '../../transport.ts';
import type { ConformanceHarness } from './behaviour.ts';

/** What differs from backend to backend; {@link conformanceHarness} does the rest. */
export interface ConformanceBackend
  extends Pick<ConformanceHarness, 'group' | 'restart' | 'silence' | 'patienceMs' | 'skip'> {
  /** A new transport, not connected. */
  transport(): Transport;
  /** Registers an agent, and answers what to connect it with. Called once for each. */
  register(agentId: string): Promise<Pick<TransportConnectConfig, 'apiKey' | 'apiBaseUrl'>>;
  /** Ends the backend, after every transport was disconnected. */
  close?(): Promise<void>;
}

/** The harness of a backend: keeps the keys of its agents, and disconnects every transport at the end. */
export function conformanceHarness(backend: ConformanceBackend): ConformanceHarness {
  const { transport: newTransport, register, close, ...rest } = backend;
  const agents = new Map<string, ReturnType<typeof register>>();
  const made: Transport[] = [];
  const unconnected: ConformanceHarness['unconnected'] = async (agentId) => {
    const registered = agents.get(agentId) ?? register(agentId);
    agents.set(agentId, registered);
    const config = { agentId, ...(await registered) };
    const transport = newTransport();
    made.push(transport);
    return { transport, config };
  };
  return {
    ...rest,
    unconnected,
    async agent(agentId) {
      const { transport, config } = await unconnected(agentId);
      await transport.connect(config);
      return transport;
    },
    async close() {
      for (const transport of made) await transport.disconnect();
      await close?.();
    },
  };
}
