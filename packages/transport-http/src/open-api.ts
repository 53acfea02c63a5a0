import {
  type Agent,
  parseApiBase,
  refreshCredential,
  Secret,
  type TransportConnectConfig,
} from '@cleocode/contracts';
import { Api, type Identity } from './api.ts';
import { Backend } from './backend.ts';

/** How to reach a backend; everything has a default. */
export interface HttpOptions {
  /** Allows plain http to another machine. Only where nobody else can listen on the way. Default `false`. */
  allowInsecure?: boolean | undefined;
  /** PEM certificates to trust instead of the public ones. */
  ca?: string | readonly string[] | undefined;
  /** Milliseconds until there must be a connection. Default 3,000. */
  connectTimeoutMs?: number | undefined;
  /** Milliseconds from a request to the headers of its answer. Default 10,000. */
  headersTimeoutMs?: number | undefined;
  /** Milliseconds between two pieces of an answer. Default 10,000. */
  bodyTimeoutMs?: number | undefined;
  /** Milliseconds for a call in all, with retries and waiting. Default 20,000. */
  timeoutMs?: number | undefined;
  /** Bytes an answer may have. Default 64 MiB. */
  maxResponseBytes?: number | undefined;
}

/** Where a backend is, and who asks it: with the live credential, else with a key. */
export type HttpConnectConfig = Pick<TransportConnectConfig, 'agentId' | 'apiBaseUrl'> &
  ({ agent: Agent; apiKey?: string } | { agent?: Agent; apiKey: string });

/**
 * A page of the embedded dock ends once it holds 8 Mi characters, with a message of up to 1 MiB; JSON may write each of them
 * as six bytes.
 */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** Makes no request. Throws `E_TRANSPORT_ADDRESS` and `E_TRANSPORT_INSECURE`. */
export async function openApi(
  apiBaseUrl: string,
  identity: Identity | undefined,
  { allowInsecure = false, ca, ...given }: HttpOptions,
): Promise<Api> {
  const limits = {
    connectMs: given.connectTimeoutMs ?? 3_000,
    headersMs: given.headersTimeoutMs ?? 10_000,
    bodyMs: given.bodyTimeoutMs ?? 10_000,
    totalMs: given.timeoutMs ?? 20_000,
    maxBytes: given.maxResponseBytes ?? MAX_RESPONSE_BYTES,
  };
  return new Api(await Backend.use(parseApiBase(apiBaseUrl, { allowInsecure }), { ca, limits }), identity);
}

export function identityOf({ agentId, agent, apiKey = '' }: HttpConnectConfig): Identity {
  if (agent)
    return {
      agentId,
      apiKey: () => agent.credential().apiKey,
      refused: (key, error) => refreshCredential(agent, key, error),
      accepted: (key) => agent.reportAccepted?.(key),
      retryInMs: () => agent.auth?.().retryInMs,
    };
  const key = new Secret(apiKey);
  return {
    agentId,
    apiKey: () => key,
    refused: async () => false,
    accepted: () => {},
    retryInMs: () => undefined,
  };
}
