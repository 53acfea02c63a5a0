import type { AgentCredential } from '@cleocode/contracts';
import type { HttpOptions } from '@cleocode/transport-http';
import { isExposed } from './address.ts';
import type { State } from './state.ts';

/** An agent of a backend that is reached over HTTP. */
export interface RemoteAgent {
  agentId: string;
  /** An http(s) address. */
  apiBaseUrl: string;
  name?: string | undefined;
  /** How to reach it. That plain http to another machine is allowed is stored with the key. */
  http?: HttpOptions;
}

/** Stores the agent with its key; a credential that exists is replaced. */
export async function storeRemote(
  state: State,
  agent: RemoteAgent,
  apiKey: string,
): Promise<AgentCredential> {
  const { agentId, apiBaseUrl, name } = agent;
  const { registry } = await state.store();
  const transportConfig = transportConfigOf(agent);
  return registry.register({
    ...{ agentId, apiKey, apiBaseUrl, transportConfig },
    ...(name && { displayName: name }),
  });
}

/** The agent's backend is the one at this address from now on, and takes the key that is stored. Rejects with `E_NOT_FOUND_AGENT`. */
export async function moveToRemote(state: State, agent: RemoteAgent): Promise<AgentCredential> {
  const { agentId, apiBaseUrl, name } = agent;
  const { registry } = await state.store();
  const transportConfig = transportConfigOf(agent);
  return registry.update(agentId, {
    ...{ apiBaseUrl, transportType: 'http', transportConfig },
    ...(name && { displayName: name }),
  });
}

function transportConfigOf({ apiBaseUrl, http }: RemoteAgent): AgentCredential['transportConfig'] {
  return http?.allowInsecure === true && isExposed(new URL(apiBaseUrl)) ? { allowInsecure: true } : {};
}
