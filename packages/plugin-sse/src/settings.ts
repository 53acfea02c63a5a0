import {
  type Agent,
  parseApiBase,
  resolveEndpoint,
  type Transport,
  type TransportConnectConfig,
} from '@cleocode/contracts';
import { identityOf } from './identity.ts';
import type { StreamTarget } from './stream.ts';

/** How a stream is opened; everything has a default. */
export interface StreamSettings {
  /** Milliseconds a stream may bring nothing before it is replaced. Default: 2.5 heartbeats of the server, so 75,000. */
  watchdogMs?: number | undefined;
  /** Milliseconds until there must be an answer. Default 10,000. */
  connectTimeoutMs?: number | undefined;
  /** Puts the key into the query of the stream's URL, for a server that reads it nowhere else. It may end in its log. Default `false`. */
  authInQuery?: boolean | undefined;
  /** Allows plain http to another machine. Only where nobody else can listen on the way. Default `false`. */
  allowInsecure?: boolean | undefined;
  /** PEM certificates to trust instead of the public ones. */
  ca?: string | readonly string[] | undefined;
}

/** Where the stream is, and who asks for it: with the live credential, else with a key. */
export type StreamAddress = Pick<TransportConnectConfig, 'agentId' | 'apiBaseUrl'> & {
  agent?: Agent | undefined;
  apiKey?: string | undefined;
  /** The transport to the same backend, if there is one. */
  transport?: Pick<Transport, 'knock' | 'heard'> | undefined;
  /** A path below the API base, or a URL of the same origin. Default `/messages/stream`. */
  sseEndpoint?: string | undefined;
};

const ENDPOINT = '/messages/stream';
const CONNECT_MS = 10_000;

/** Throws `E_TRANSPORT_ADDRESS` and `E_TRANSPORT_INSECURE`. */
export function targetOf(address: StreamAddress, settings: StreamSettings): StreamTarget {
  const { agentId, apiBaseUrl, sseEndpoint = ENDPOINT } = address;
  const {
    allowInsecure = false,
    authInQuery = false,
    connectTimeoutMs = CONNECT_MS,
    ca,
    watchdogMs,
  } = settings;
  const apiBase = parseApiBase(apiBaseUrl, { allowInsecure });
  return {
    apiBase,
    url: new URL(resolveEndpoint(apiBase.href, sseEndpoint)),
    identity: identityOf(agentId, address),
    authInQuery,
    ca,
    connectTimeoutMs,
    watchdogMs,
    backend: address.transport,
  };
}
