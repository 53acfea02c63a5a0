import { type Agent, CleoError, errorText, type Transport, withDeadline } from '@cleocode/contracts';

/** What a transport may want to know besides who it is for. */
export interface ConnectSettings {
  pollIntervalMs: number;
  sseEndpoint?: string | undefined;
}

/** The kernel waits this long for a plugin's `init`. */
const CONNECT_MS = 10_000;

/**
 * Connects a transport that somebody else made. One that is connected already, and says so, is taken as it is; `again` connects
 * that one anew, with the key that is in use now.
 */
export async function connectAs(
  agent: Agent,
  transport: Transport,
  settings: ConnectSettings,
  { again = false } = {},
): Promise<void> {
  try {
    await connect(agent, transport, settings);
  } catch (error) {
    if (!isConnected(error)) throw error;
    if (!again) return;
    await transport.disconnect();
    await connect(agent, transport, settings);
  }
}

async function connect(agent: Agent, transport: Transport, settings: ConnectSettings): Promise<void> {
  const { apiKey, apiBaseUrl, transportConfig } = agent.credential();
  const { pollIntervalMs, sseEndpoint } = settings;
  const connected = transport.connect({
    ...transportConfig,
    agentId: agent.id,
    apiKey: apiKey.reveal(),
    apiBaseUrl,
    agent,
    pollIntervalMs,
    ...(sseEndpoint !== undefined && { sseEndpoint }),
  });
  // A transport of another make may answer no promise.
  await withDeadline(Promise.resolve(connected), CONNECT_MS, () => late(transport));
}

/** Transports of the earlier runtime know no other way to say it. */
function isConnected(error: unknown): boolean {
  return /already connected/i.test(errorText(error));
}

function late({ name }: Transport): CleoError {
  return new CleoError('E_TRANSPORT_TIMEOUT', `${name} did not connect within ${CONNECT_MS} ms`, {
    hint: 'Check that the backend is reachable.',
    retryable: true,
    details: { timeoutMs: CONNECT_MS },
  });
}
