import { join } from 'node:path';
import { type AgentCredential, agentIdSchema, CleoError } from '@cleocode/contracts';
import { lockHolder } from '@cleocode/sqlite';
import { readEnvironment } from './environment.ts';
import type { State } from './state.ts';

/** Throws `E_AGENT_ID_INVALID` before anything is opened or made. */
export function checkAgentId(agentId: string): string {
  const result = agentIdSchema.safeParse(agentId);
  if (result.success) return result.data;
  throw new CleoError('E_AGENT_ID_INVALID', `${JSON.stringify(agentId)} is not an agent id`, {
    hint: `It must be one: ${result.error.issues[0]!.message}.`,
  });
}

/** What is stored about an agent; null when nothing is. Makes no folder. */
export async function storedAgent(state: State, agentId: string): Promise<AgentCredential | null> {
  checkAgentId(agentId);
  return state.hasStore ? (await state.store()).registry.get(agentId) : null;
}

/** The credential of the agent that is named, here or in `CLEO_AGENT`, else of the one used last. Throws `E_NOT_FOUND_AGENT`. */
export async function agentOrLatest(state: State, word: string | undefined): Promise<AgentCredential> {
  const agentId = word ?? readEnvironment().agent;
  if (agentId !== undefined) {
    const found = await storedAgent(state, agentId);
    if (found) return found;
    throw await notRegistered(state, agentId);
  }
  const latest = state.hasStore ? await (await state.store()).registry.getActive() : null;
  if (latest) return latest;
  throw new CleoError('E_NOT_FOUND_AGENT', `no agent is registered in ${state.dir}`, {
    hint: 'Register one: cleo agent register my-agent',
  });
}

/** Registers an agent on the embedded backend and stores the key it is given. Throws `E_CONFLICT_ALREADY_EXISTS`. */
export async function registerLocally(
  state: State,
  agentId: string,
  name?: string,
): Promise<AgentCredential> {
  checkAgentId(agentId);
  const { registry } = await state.store();
  const stored = await registry.get(agentId);
  if (stored && !(isLocal(stored) && (await isUnknown(state, agentId))))
    throw new CleoError('E_CONFLICT_ALREADY_EXISTS', `agent "${agentId}" is registered here already`, {
      hint: `Run it: cleo agent start ${agentId}`,
      details: { agentId },
    });
  const apiKey = await localKey(state, agentId, name);
  return registry.register({ agentId, apiKey, apiBaseUrl: 'local:', ...(name && { displayName: name }) });
}

/** Its backend is the embedded one. */
export function isLocal({ apiBaseUrl }: Pick<AgentCredential, 'apiBaseUrl'>): boolean {
  return apiBaseUrl.startsWith('local:');
}

/** The process that runs the agent here: it holds the agent's lock. `undefined`: none does. */
export function runner(state: State, agentId: string): { pid: number | undefined } | undefined {
  return lockHolder(lockFile(state, agentId));
}

/** The pid of the process that runs the agent here. */
export function runningPid(state: State, agentId: string): number | undefined {
  return runner(state, agentId)?.pid;
}

export function lockFile(state: State, agentId: string): string {
  return join(state.dir, 'run', `${agentId}.lock`);
}

/** The backend's file was lost or removed: registering again is the cure. */
async function isUnknown(state: State, agentId: string): Promise<boolean> {
  if (!state.hasDock) return true;
  try {
    await (await state.dock()).getAgent(agentId);
    return false;
  } catch (error) {
    if (CleoError.is(error, 'E_NOT_FOUND_AGENT')) return true;
    throw error;
  }
}

async function localKey(state: State, agentId: string, name: string | undefined): Promise<string> {
  const dock = await state.dock();
  try {
    const { apiKey } = await dock.registerAgent({ agentId, ...(name && { name }) });
    return apiKey;
  } catch (error) {
    if (!CleoError.is(error, 'E_CONFLICT_ALREADY_EXISTS')) throw error;
    const known = await dock.getAgent(agentId).catch(() => undefined);
    // The same id in another case is somebody else.
    if (!known) throw error;
    if (known.capabilities.includes(OPERATOR))
      throw new CleoError(
        'E_CONFLICT_ALREADY_EXISTS',
        `"${agentId}" is you: cleo agent send sends under this name`,
        {
          hint: 'Choose another id for the agent.',
          cause: error,
        },
      );
    // Known to the backend, but its key is lost: removed here before, or a crash between the two databases.
    return (await dock.rotateKey(agentId, { overlapSeconds: 0 })).apiKey;
  }
}

async function notRegistered(state: State, agentId: string): Promise<CleoError> {
  const known = state.hasStore ? (await (await state.store()).registry.list()).map((one) => one.agentId) : [];
  return new CleoError('E_NOT_FOUND_AGENT', `agent "${agentId}" is not registered in ${state.dir}`, {
    hint:
      known.length > 0
        ? `Registered are: ${known.slice(0, 10).join(', ')}. Or: cleo agent register ${agentId}`
        : `Register it: cleo agent register ${agentId}`,
    details: { agentId },
  });
}

/** A stored credential that no cure of the file can open again. */
export const UNREADABLE = ['E_CREDENTIAL_UNREADABLE', 'E_MACHINE_KEY_MISSING'];

/** Marks the identity of the person who uses the command, in the embedded backend. */
export const OPERATOR = 'operator';
