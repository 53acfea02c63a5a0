import { type AgentCredential, maskKey } from '@cleocode/contracts';
import { isLocal } from './agents.ts';

/** A stored credential as it may be shown: the key masked, and nothing of the transport's own settings. */
export function credentialView(credential: AgentCredential) {
  const { agentId, displayName, apiKey, apiBaseUrl, transportType, isActive } = credential;
  const { lastUsedAt, keyIssuedAt, createdAt, updatedAt } = credential;
  return {
    agentId,
    displayName,
    apiKey: maskKey(apiKey),
    apiBaseUrl,
    transportType,
    isActive,
    lastUsedAt,
    keyIssuedAt,
    createdAt,
    updatedAt,
  };
}

/** Where an agent's messages are, in words. */
export function backendName(credential: Pick<AgentCredential, 'apiBaseUrl'>): string {
  return isLocal(credential) ? 'embedded backend' : credential.apiBaseUrl;
}
