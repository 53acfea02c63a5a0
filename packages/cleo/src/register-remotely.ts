import { type AgentCredential, CleoError, errorText, isAuthError, isLoopback } from '@cleocode/contracts';
import { isPlugin, type ResolvedConfig } from '@cleocode/kernel';
import { type HttpOptions, httpTransport, registerAgent, SignalDockClient } from '@cleocode/transport-http';
import { sameAddress } from './address.ts';
import { isLocal, storedAgent } from './agents.ts';
import { moveToRemote, type RemoteAgent, storeRemote } from './remote-agent.ts';
import { selfCommand } from './self-command.ts';
import type { State } from './state.ts';

/**
 * Registers an agent at a backend over HTTP and stores the key it is given. An agent of the embedded backend moves there, which
 * `note` hears of; where that backend serves the embedded one's very file, it keeps its key. Nothing is stored, and nothing
 * left at the backend, unless the whole succeeds; an error says where that could not be helped.
 *
 * Rejects with `E_CONFLICT_ALREADY_EXISTS` when the id is taken there, or the agent is registered at another backend already.
 */
export async function registerRemotely(
  state: State,
  agent: RemoteAgent,
  note: (text: string) => void,
): Promise<AgentCredential> {
  const { agentId, apiBaseUrl, name, http } = agent;
  const stored = await storedAgent(state, agentId);
  if (stored && !isLocal(stored)) throw registeredAlready(stored, apiBaseUrl);
  let apiKey: string;
  try {
    ({ apiKey } = await registerAgent(apiBaseUrl, { agentId, ...(name && { name }) }, http));
  } catch (error) {
    if (CleoError.is(error, 'E_NOT_FOUND_RESOURCE')) throw wrongAddress(agent, error);
    if (!CleoError.is(error, 'E_CONFLICT_ALREADY_EXISTS')) throw error;
    if (!stored || !(await isAccepted(agent, stored.apiKey))) throw taken(agent, error);
    return moveToRemote(state, agent);
  }
  const credential = await storeIssued(state, { ...agent, name: name ?? stored?.displayName }, apiKey);
  if (stored) note(`${agentId} was on the embedded backend: messages that wait for it there stay there`);
  return credential;
}

/** How a configuration's own transport reaches a backend. Its schema judges the options when the agent starts. */
export function httpOptionsOf(transport: ResolvedConfig['transport']): HttpOptions {
  const isHttp = isPlugin(transport) && transport.definition.name === httpTransport.definition.name;
  return isHttp ? ((transport.options ?? {}) as HttpOptions) : {};
}

/** Whether the backend knows the key of the embedded one. Asked of this machine only: nobody else should be shown it. */
async function isAccepted({ agentId, apiBaseUrl, http }: RemoteAgent, apiKey: string): Promise<boolean> {
  if (!isLoopback(new URL(apiBaseUrl).hostname)) return false;
  const client = await SignalDockClient.connect({ agentId, apiBaseUrl, apiKey }, http);
  try {
    await client.getAgent(agentId);
    return true;
  } catch (error) {
    if (isAuthError(error)) return false;
    throw error;
  } finally {
    await client.close();
  }
}

/** Stores a key that only this process has; when it cannot, the registration is taken back. */
async function storeIssued(state: State, agent: RemoteAgent, apiKey: string): Promise<AgentCredential> {
  try {
    return await storeRemote(state, agent, apiKey);
  } catch (error) {
    const { agentId, apiBaseUrl } = agent;
    const { code = 'E_UNEXPECTED', hint = '' } = error as { code?: string; hint?: string };
    const undone = await takeBack(agent, apiKey);
    throw new CleoError(
      code,
      `"${agentId}" was registered at ${apiBaseUrl}, but its key could not be stored: ${errorText(error)}`,
      {
        hint: undone
          ? `${hint} The registration was taken back: register again after that.`.trim()
          : `${hint} Its id stays taken there, with a key that is lost: choose another, or have it removed there.`.trim(),
        details: { agentId, apiBaseUrl, undone },
        cause: error,
      },
    );
  }
}

async function takeBack({ agentId, apiBaseUrl, http }: RemoteAgent, apiKey: string): Promise<boolean> {
  const client = await SignalDockClient.connect({ agentId, apiBaseUrl, apiKey }, http);
  try {
    await client.removeAgent(agentId);
    return true;
  } catch {
    // What kept the key from being stored is what is told, with this outcome.
    return false;
  } finally {
    await client.close();
  }
}

function registeredAlready({ agentId, apiBaseUrl }: AgentCredential, wanted: string): CleoError {
  const self = selfCommand();
  return new CleoError(
    'E_CONFLICT_ALREADY_EXISTS',
    `agent "${agentId}" is registered here already, at ${apiBaseUrl}`,
    {
      hint: sameAddress(apiBaseUrl, wanted)
        ? `Run it: ${self} agent start ${agentId}`
        : `If that backend has moved: ${self} agent register ${agentId} --api-url ${wanted} --keep-key. To give up its key: ${self} agent remove ${agentId}`,
      details: { agentId, apiBaseUrl },
    },
  );
}

function taken({ agentId, apiBaseUrl }: RemoteAgent, cause: CleoError): CleoError {
  return new CleoError('E_CONFLICT_ALREADY_EXISTS', `the id "${agentId}" is taken at ${apiBaseUrl}`, {
    hint: `Choose another id. If it is yours, store its key: ${selfCommand()} agent register ${agentId} --api-url ${apiBaseUrl} --api-key-stdin`,
    details: { agentId, apiBaseUrl },
    cause,
  });
}

function wrongAddress({ apiBaseUrl }: RemoteAgent, cause: CleoError): CleoError {
  return new CleoError(
    'E_NOT_FOUND_RESOURCE',
    `nothing registers agents at ${apiBaseUrl}: ${cause.message}`,
    {
      hint: 'Check the address. A path in it is the prefix of the whole API.',
      details: { apiBaseUrl },
      cause,
    },
  );
}
