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
  { agentId, apiBaseUrl, name, http }: RemoteAgent,
  apiKey: string,
): Promise<AgentCredential> {
  const insecure = http?.allowInsecure === true && isExposed(new URL(apiBaseUrl));
  const { registry } = await state.store();
  return registry.register({
    agentId,
    apiKey,
    apiBaseUrl,
    ...(name && { displayName: name }),
    ...(insecure && { transportConfig: { allowInsecure: true } }),
  });
}
