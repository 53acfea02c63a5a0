import { join } from 'node:path';
import { type AgentCredential, CleoError } from '@cleocode/contracts';
import { acquireLock } from '@cleocode/sqlite';
import { agentOrLatest, checkAgentId, isLocal } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { type State, withState } from '../state.ts';

/**
 * Forgets an agent and its key. On the embedded backend it is removed too, unless messages wait for it there: those are
 * kept, and registering the same id again brings them back. At another backend it stays. Refused while the agent runs.
 */
export function run({ output }: Cli, agentId: string): Promise<void> {
  return withState(async (state) => {
    const credential = await agentOrLatest(state, checkAgentId(agentId));
    // Held to the end, so that it cannot be started meanwhile.
    const lock = acquireLock(join(state.dir, 'run', `${agentId}.lock`));
    try {
      const kept = isLocal(credential) ? await leaveBackend(state, agentId) : 0;
      await (await state.store()).registry.remove(agentId);
      output.result({ ok: true, agentId, unreadKept: kept }, whatIsLeft(credential, kept));
    } finally {
      lock.release();
    }
  });
}

function whatIsLeft(credential: AgentCredential, kept: number): string {
  const { agentId, apiBaseUrl } = credential;
  if (!isLocal(credential))
    return (
      `${agentId} and its key are forgotten here; at ${apiBaseUrl} it stays registered.\n` +
      '  Whoever keeps its key can use it there; without the key its id stays taken.'
    );
  const messages = kept === 1 ? 'message waits' : 'messages wait';
  return kept === 0
    ? `${agentId} is removed.`
    : `${agentId} is removed; ${kept} ${messages} at the embedded backend in case you register it again.`;
}

/** Answers how many unread messages kept it there. */
async function leaveBackend(state: State, agentId: string): Promise<number> {
  const dock = await state.dock();
  try {
    const unread = (await dock.unreadSummary(agentId)).reduce((sum, one) => sum + one.unread, 0);
    if (unread === 0) await dock.removeAgent(agentId);
    return unread;
  } catch (error) {
    if (!CleoError.is(error, 'E_NOT_FOUND_AGENT')) throw error;
    return 0;
  }
}
