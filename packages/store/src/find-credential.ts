import { join } from 'node:path';
import { type AgentCredential, type AgentRegistryAPI, CleoError } from '@cleocode/contracts';
import { BorrowedRegistry } from './borrowed-registry.ts';
import { registryOrigin } from './registry-origin.ts';

/**
 * The credential to run with: that of `wanted`, else that of the most recently active agent. `where` names the registry for people.
 * Rejects with `E_NO_AGENT`.
 */
export async function findCredential(
  registry: Pick<AgentRegistryAPI, 'get' | 'getActive'>,
  wanted: string | undefined,
  where: string,
): Promise<AgentCredential> {
  const credential = await (wanted === undefined ? registry.getActive() : registry.get(wanted));
  if (credential) return credential;
  const missing = wanted === undefined ? 'No active agent is' : `"${wanted}" is not`;
  throw new CleoError(
    'E_NO_AGENT',
    'No agent credential found. Run: cleo agent register --id <id> --api-key <key>',
    {
      hint: `${missing} registered in ${where}.`,
      details: { ...(wanted !== undefined && { agentId: wanted }), registry: where },
    },
  );
}

/**
 * The credential to run with, by a registry of any make: that of `wanted`, else that of the most recently active agent. Rejects
 * with `E_NO_AGENT`, with `E_CREDENTIAL_INVALID`, and with what the registry rejects with.
 */
export function credentialOf(
  registry: AgentRegistryAPI,
  wanted: string | undefined,
): Promise<AgentCredential> {
  const origin = registryOrigin(registry);
  return origin
    ? findCredential(registry, wanted, join(origin.dir, 'state.db'))
    : findCredential(new BorrowedRegistry(registry), wanted, 'the registry that was given');
}
