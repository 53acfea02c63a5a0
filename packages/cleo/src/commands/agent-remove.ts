import { join } from 'node:path';
import { type AgentCredential, CleoError } from '@cleocode/contracts';
import { acquireLock } from '@cleocode/sqlite';
import { agentOrLatest, checkAgentId, isLocal, UNREADABLE } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { type State, withState } from '../state.ts';

/**
 * Forgets an agent and its key. On the embedded backend it is removed too, unless messages wait for it there: those are
 * kept, and registering the same id again brings them back. At another backend it stays. Refused while the agent runs.
 *
 * One whose credential cannot be read any more is forgotten too, and nothing else is: nobody knows which backend it is for.
 */
export function run({ output }: Cli, agentId: string): Promise<void> {
  return withState(async (state) => {
    const credential = await agentOrLatest(state, checkAgentId(agentId)).catch(unlessUnreadable);
    // Held to the end, so that it cannot be started meanwhile.
    const lock = acquireLock(join(state.dir, 'run', `${agentId}.lock`));
    try {
      const kept = credential && isLocal(credential) ? await leaveBackend(state, agentId) : 0;
      await (await state.store()).registry.remove(agentId);
      if (credential) output.result({ ok: true, agentId, unreadKept: kept }, whatIsLeft(credential, kept));
      else output.result({ ok: true, agentId, readable: false }, forgottenUnread(agentId));
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

function unlessUnreadable(error: unknown): undefined {
  if (!UNREADABLE.some((code) => CleoError.is(error, code))) throw error;
}

function forgottenUnread(agentId: string): string {
  return (
    `${agentId} is forgotten here; its key could not be read. At its backend it stays registered, and its messages wait.\n` +
    `  On the embedded backend it gets a new key: cleo agent register ${agentId}`
  );
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
