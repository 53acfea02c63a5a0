import { type Agent, type Credential, Secret } from '@cleocode/contracts';
import type { AgentConfig } from './config/types.ts';

/** The agent of a kernel without a store: what the configuration says, for as long as the process lives. */
export function staticAgent({ id, apiKey = '', apiBaseUrl = 'local:' }: AgentConfig): Agent {
  const credential: Credential = Object.freeze({
    agentId: id,
    apiKey: new Secret(apiKey),
    apiBaseUrl,
    transportType: apiBaseUrl.startsWith('local:') ? 'local' : 'http',
    transportConfig: Object.freeze({}),
  });
  return {
    id,
    credential: () => credential,
    onChange: () => () => {},
    // Nobody to ask for another key; the transport's own error reaches the operator.
    reportUnauthorized: () => {},
  };
}
