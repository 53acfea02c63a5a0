import { CleoError } from '@cleocode/contracts';
import type { Backend } from '@cleocode/runtime/transport';
import { isLocal } from './agents.ts';
import { operator } from './operator.ts';
import type { State } from './state.ts';

/**
 * Runs `work`, which a person asks for in their own name. That name is known to the embedded backend only: when something is
 * not found there, and agents of other backends are registered here, the hint says how to ask as one of them.
 */
export async function asYou<T>(
  state: State,
  command: (agentId: string) => string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!CleoError.is(error) || !error.code.startsWith('E_NOT_FOUND_')) throw error;
    const agents = state.hasStore ? await (await state.store()).registry.list({ active: true }) : [];
    const remote = agents.filter((agent) => !isLocal(agent));
    if (remote.length === 0) throw error;
    const { agentId, apiBaseUrl } = remote[0]!;
    throw new CleoError(error.code, error.message, {
      hint: `You are known to the embedded backend only. At ${apiBaseUrl}, do it as an agent of yours: ${command(agentId)}`,
      ...(error.details && { details: error.details }),
      cause: error,
    });
  }
}

/** Throws `E_NOT_FOUND_AGENT` where the embedded backend has never been used: then nobody is found there. */
export function requireDock(state: State, agentId: string): void {
  if (state.hasDock) return;
  throw new CleoError('E_NOT_FOUND_AGENT', `no agent is registered on the embedded backend in ${state.dir}`, {
    hint: `Register it first: cleo agent register ${agentId}`,
  });
}

/**
 * You, as who speaks to `to`, registered when that is the first time. You can only be known to the embedded backend, where the
 * recipient must be too. Rejects with `E_NOT_FOUND_AGENT`.
 */
export async function you(state: State, to: string | undefined): Promise<Backend> {
  requireDock(state, to ?? 'my-agent');
  // Before you are registered for the sake of a message that cannot be sent.
  if (to !== undefined) await (await state.dock()).getAgent(to);
  return { agentId: await operator(state), apiBaseUrl: 'local:' };
}
