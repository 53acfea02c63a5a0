import { type AgentCredential, CleoError, type Transport } from '@cleocode/contracts';
import type { Plugin } from '@cleocode/kernel';
import { LocalTransport, localTransport } from '@cleocode/transport-local';

type Backend = Pick<AgentCredential, 'agentId' | 'apiBaseUrl'>;

/** The transport that serves a credential's backend, as a plugin. Throws `E_TRANSPORT_UNAVAILABLE`. */
export function transportPlugin(credential: Backend, stateDir: string): Plugin {
  requireLocal(credential);
  return localTransport({ dir: stateDir });
}

/**
 * The same transport, connected, for use without a kernel. The caller disconnects it. Throws `E_TRANSPORT_UNAVAILABLE`,
 * and whatever connecting throws.
 */
export async function connectTransport(credential: Backend, stateDir: string): Promise<Transport> {
  requireLocal(credential);
  const transport = new LocalTransport({ dir: stateDir });
  await transport.connect({ agentId: credential.agentId });
  return transport;
}

function requireLocal({ agentId, apiBaseUrl }: Backend): void {
  if (apiBaseUrl.startsWith('local:')) return;
  throw new CleoError(
    'E_TRANSPORT_UNAVAILABLE',
    `no transport serves ${apiBaseUrl}, the backend of "${agentId}"`,
    {
      hint: 'Only the embedded backend has one for now: register an agent without --api-url, or set "transport" in cleo.config.ts.',
      details: { agentId, apiBaseUrl },
    },
  );
}
