import { type AgentCredential, CleoError, type Transport } from '@cleocode/contracts';
import type { Plugin } from '@cleocode/kernel';
import type { SseOptions } from '@cleocode/plugin-sse';

/** Who wants a transport, and where its backend answers. */
export type Backend = Pick<AgentCredential, 'agentId' | 'apiBaseUrl'> &
  Partial<Pick<AgentCredential, 'apiKey' | 'transportConfig'>>;

/**
 * The transport that serves a credential's backend, as plugins: the embedded one for `local:`, HTTP and a stream beside it for
 * an http(s) address. The key is not needed: they ask the `agent` service for it. What does not serve it is not loaded. Rejects with
 * `E_TRANSPORT_UNAVAILABLE`.
 */
export async function transportPlugins(wanted: {
  credential: Backend;
  stateDir: string;
  sse?: SseOptions;
}): Promise<Plugin[]> {
  const { credential, stateDir } = wanted;
  if (kindOf(credential) === 'local') {
    const { localTransport } = await import('@cleocode/transport-local');
    return [localTransport({ dir: stateDir })];
  }
  const [{ httpTransport }, { sse }] = await Promise.all([
    import('@cleocode/transport-http'),
    import('@cleocode/plugin-sse'),
  ]);
  const options = httpOptions(credential);
  return [httpTransport(options), sse({ ...options, ...wanted.sse })];
}

/** What is expected of a transport that {@link connectTransport} connects. */
export interface ConnectOptions {
  /** Messages come by themselves (`subscribe`): over HTTP by a stream. */
  push?: boolean;
}

/**
 * The transport of a credential's backend, connected, for use without a kernel; over HTTP it takes the credential's key. The caller disconnects it.
 * Throws `E_TRANSPORT_UNAVAILABLE`, and whatever connecting throws.
 */
export async function connectTransport(
  backend: Backend,
  stateDir: string,
  { push = false }: ConnectOptions = {},
): Promise<Transport> {
  const { agentId, apiBaseUrl, apiKey = '' } = backend;
  const transport = kindOf(backend) === 'local' ? await localAt(stateDir) : await httpFor(backend, push);
  await transport.connect({ agentId, apiBaseUrl, apiKey });
  return transport;
}

async function localAt(dir: string): Promise<Transport> {
  const { LocalTransport } = await import('@cleocode/transport-local');
  return new LocalTransport({ dir });
}

async function httpFor(backend: Backend, push: boolean): Promise<Transport> {
  const { HttpTransport } = await import('@cleocode/transport-http');
  const options = httpOptions(backend);
  const inner = new HttpTransport(options);
  if (!push) return inner;
  const { SseTransport } = await import('@cleocode/plugin-sse');
  // While there is no stream it polls; what is wrong then is heard from the requests themselves.
  return new SseTransport({ inner, ...options, onError: () => {} });
}

function kindOf({ agentId, apiBaseUrl }: Backend): 'local' | 'http' {
  if (apiBaseUrl.startsWith('local:')) return 'local';
  if (/^https?:/i.test(apiBaseUrl)) return 'http';
  throw new CleoError(
    'E_TRANSPORT_UNAVAILABLE',
    `no transport serves ${apiBaseUrl}, the backend of "${agentId}"`,
    {
      hint: 'Register the agent on the embedded backend or at an http(s) address, or set "transport" in cleo.config.ts.',
      details: { agentId, apiBaseUrl },
    },
  );
}

/** What of a backend's options is remembered with the key. */
function httpOptions({ transportConfig }: Backend): { allowInsecure?: true } {
  return transportConfig?.allowInsecure === true ? { allowInsecure: true } : {};
}
