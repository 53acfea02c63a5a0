import { type AgentCredential, CleoError } from '@cleocode/contracts';
import type { AgentConfig } from '@cleocode/kernel';
import type { Store } from '@cleocode/store';
import { selfCommand } from '../self-command.ts';
import type { State } from '../state.ts';
import { databaseFinding } from './databases.ts';
import { type Finding, findingsOf, ok } from './finding.ts';

/** What of an agent's credential is looked at. */
export type AgentToCheck = Pick<
  AgentCredential,
  'agentId' | 'apiKey' | 'apiBaseUrl' | 'transportConfig' | 'keyIssuedAt'
>;

export interface Registered {
  findings: Finding[];
  agents: AgentCredential[];
  /** It could not be read who is registered. */
  unread: boolean;
  store: Store | undefined;
}

/** The databases, and who is registered. A damaged database is not opened any further. */
export async function registered(state: State): Promise<Registered> {
  const names = ['state.db', 'signaldock.db'] as const;
  const looked = names.map((name) => ({ check: name, look: () => databaseFinding(state.dir, name) }));
  const findings = (await Promise.all(looked.map(findingsOf))).flat();
  const failed = (name: string) => findings.some(({ check, status }) => check === name && status === 'error');
  const isLost = state.hasStore && !state.hasDatabase;
  let agents: AgentCredential[] = [];
  let store: Store | undefined;
  const look = async (): Promise<Finding[]> => {
    // Where it is lost, a finding of its own says so: putting it back would be a change.
    if (!state.hasDatabase) return isLost ? [] : [nobody()];
    store = await state.store();
    agents = await store.registry.list();
    return agents.length === 0 ? [nobody()] : [ok('agents', agents.map(({ agentId }) => agentId).join(', '))];
  };
  if (!failed('state.db')) findings.push(...(await findingsOf({ check: 'agents', look })));
  return { findings, agents, unread: isLost || failed('state.db') || failed('agents'), store };
}

/**
 * Whom to look at: all that are registered, with what the configuration says of one of them, and the configuration's own when it
 * brings its key along; or of these the one that was named. Throws `E_NOT_FOUND_AGENT`.
 */
export function agentsToCheck(
  { agents, unread }: Registered,
  configured: AgentConfig | undefined,
  { word, stateDir }: { word: string | undefined; stateDir: string },
): AgentToCheck[] {
  const all: AgentToCheck[] = agents.map((one) =>
    one.agentId === configured?.id ? { ...one, ...given(configured) } : one,
  );
  const isNew = configured && !agents.some(({ agentId }) => agentId === configured.id);
  if (isNew && configured.apiKey !== undefined)
    all.push({
      ...{ agentId: configured.id, apiKey: configured.apiKey },
      ...{ apiBaseUrl: configured.apiBaseUrl ?? 'local:', transportConfig: {} },
    });
  if (word === undefined) return all;
  const named = all.filter(({ agentId }) => agentId === word);
  if (named.length > 0 || unread || (isNew && configured.id === word)) return named;
  throw new CleoError('E_NOT_FOUND_AGENT', `agent "${word}" is not registered in ${stateDir}`, {
    hint: `See who is: ${selfCommand()} agent list. Or look at everything: ${selfCommand()} doctor`,
    details: { agentId: word },
  });
}

/** A key that is given is of no known age. */
function given({ apiKey, apiBaseUrl }: AgentConfig): Partial<AgentToCheck> {
  return { ...(apiKey !== undefined && { apiKey }), ...(apiBaseUrl !== undefined && { apiBaseUrl }) };
}

function nobody(): Finding {
  const self = selfCommand();
  return ok(
    'agents',
    'none is registered here yet',
    `Begin with: ${self} init. Or: ${self} agent register my-agent`,
  );
}
