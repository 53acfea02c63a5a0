import { type AgentCredential, CleoError } from '@cleocode/contracts';
import type { AgentConfig, LoadedConfig } from '@cleocode/kernel';
import { agentOrLatest, isLocal, registerLocally } from '../agents.ts';
import type { Output } from '../output.ts';
import type { State } from '../state.ts';

export interface Wanted {
  ids: readonly string[];
  all: boolean;
  loaded: LoadedConfig;
  output: Output;
}

/** Whom to start: those named on the command line, else the configuration's agent, else the one used last. */
export async function agentsToStart(
  state: State,
  { ids, all, loaded, output }: Wanted,
): Promise<AgentCredential[]> {
  const configured = loaded.config.agent;
  if (all) return everyAgent(state);
  if (ids.length === 0) {
    const one = configured
      ? await configuredAgent(state, configured, output)
      : await agentOrLatest(state, undefined);
    return [one];
  }
  return Promise.all(
    [...new Set(ids)].map((id) =>
      configured?.id === id ? configuredAgent(state, configured, output) : agentOrLatest(state, id),
    ),
  );
}

async function everyAgent(state: State): Promise<AgentCredential[]> {
  const agents = state.hasStore ? await (await state.store()).registry.list({ active: true }) : [];
  return agents.length > 0 ? agents : [await agentOrLatest(state, undefined)];
}

/** The configuration knows enough to register its agent: on a new machine, starting is all it takes. */
async function configuredAgent(state: State, agent: AgentConfig, output: Output): Promise<AgentCredential> {
  const { id, apiKey, apiBaseUrl } = agent;
  const { registry } = await state.store();
  const stored = await registry.get(id);
  if (apiKey !== undefined) {
    const same = stored?.apiKey === apiKey && (apiBaseUrl === undefined || stored.apiBaseUrl === apiBaseUrl);
    return same ? stored : registry.register({ agentId: id, apiKey, apiBaseUrl: apiBaseUrl ?? 'local:' });
  }
  if (stored) return stored;
  if (apiBaseUrl !== undefined && !isLocal({ apiBaseUrl }))
    throw new CleoError('E_NOT_FOUND_AGENT', `agent "${id}" of ${apiBaseUrl} has no key here`, {
      hint: `Store its key: cleo agent register ${id} --api-url ${apiBaseUrl} --api-key-stdin`,
      details: { agentId: id },
    });
  const credential = await registerLocally(state, id);
  output.note(`${id} is new here: registered it on the embedded backend, state in ${state.dir}`);
  return credential;
}
