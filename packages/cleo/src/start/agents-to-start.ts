import { type AgentCredential, CleoError } from '@cleocode/contracts';
import type { AgentConfig, LoadedConfig } from '@cleocode/kernel';
import { sameAddress } from '../address.ts';
import { agentOrLatest, isLocal, registerLocally, storedAgent } from '../agents.ts';
import type { Output } from '../output.ts';
import { selfCommand } from '../self-command.ts';
import type { State } from '../state.ts';

export interface Wanted {
  ids: readonly string[];
  all: boolean;
  loaded: LoadedConfig;
  output: Pick<Output, 'note'>;
}

/** Whom to start: those named on the command line, else the configuration's agent, else the one used last. */
export async function agentsToStart(
  state: State,
  { ids, all, loaded, output }: Wanted,
): Promise<AgentCredential[]> {
  const { agent: configured } = loaded.config;
  const fromConfig = (agent: AgentConfig) => configuredAgent(state, agent, loaded, output);
  if (all) return everyAgent(state);
  if (ids.length === 0) {
    const one = configured ? fromConfig(configured) : agentOrLatest(state, undefined);
    return [await one];
  }
  return Promise.all(
    [...new Set(ids)].map((id) =>
      configured?.id === id ? fromConfig(configured) : agentOrLatest(state, id),
    ),
  );
}

async function everyAgent(state: State): Promise<AgentCredential[]> {
  const agents = state.hasStore ? await (await state.store()).registry.list({ active: true }) : [];
  return agents.length > 0 ? agents : [await agentOrLatest(state, undefined)];
}

/** The configuration knows enough to register its agent: on a new machine, starting is all it takes. */
async function configuredAgent(
  state: State,
  { id, apiKey, apiBaseUrl }: AgentConfig,
  { config }: LoadedConfig,
  output: Pick<Output, 'note'>,
): Promise<AgentCredential> {
  const stored = await storedAgent(state, id);
  if (apiKey !== undefined) {
    const wanted = apiBaseUrl ?? stored?.apiBaseUrl ?? 'local:';
    if (stored?.apiKey === apiKey && sameAddress(stored.apiBaseUrl, wanted)) return stored;
    return (await state.store()).registry.register({ agentId: id, apiKey, apiBaseUrl: wanted });
  }
  if (stored && (apiBaseUrl === undefined || sameAddress(stored.apiBaseUrl, apiBaseUrl))) return stored;
  if (stored && !isLocal(stored)) throw atAnotherBackend(stored, apiBaseUrl!);
  const note = output.note.bind(output);
  if (apiBaseUrl === undefined || isLocal({ apiBaseUrl })) {
    const credential = await registerLocally(state, id);
    note(`${id} is new here: registered it on the embedded backend, state in ${state.dir}`);
    return credential;
  }
  const { httpOptionsOf, registerRemotely } = await import('../register-remotely.ts');
  const http = httpOptionsOf(config.transport);
  const credential = await registerRemotely(state, { agentId: id, apiBaseUrl, http }, note);
  note(`${id} is new at ${apiBaseUrl}: registered it there, its key is in ${state.dir}`);
  return credential;
}

/** Registering it there would replace a key that its backend does not answer a second time. */
function atAnotherBackend({ agentId, apiBaseUrl }: AgentCredential, configured: string): CleoError {
  return new CleoError(
    'E_AGENT_MISMATCH',
    `the configuration has agent "${agentId}" at ${configured}, its key here is for ${apiBaseUrl}`,
    {
      hint: isLocal({ apiBaseUrl: configured })
        ? `Name the same backend in both places. To give up that key: ${selfCommand()} agent remove ${agentId}`
        : `If that backend has moved: ${selfCommand()} agent register ${agentId} --api-url ${configured} --keep-key. To give up its key: ${selfCommand()} agent remove ${agentId}`,
      details: { agentId, configured, registered: apiBaseUrl },
    },
  );
}
