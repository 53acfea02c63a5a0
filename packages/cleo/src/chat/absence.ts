import { CleoError, type Transport } from '@cleocode/contracts';
import type { Backend } from '@cleocode/runtime/transport';
import { isLocal, runningPid, storedAgent } from '../agents.ts';
import { selfCommand } from '../self-command.ts';
import type { State } from '../state.ts';
import { printable } from '../terminal-text.ts';

/** More than any transport gives itself. */
const TIMEOUT_MS = 30_000;

/**
 * Why an agent will not answer soon, when that can be known: it does not run, or its backend has not heard of it for a while.
 * Rejects with `E_NOT_FOUND_AGENT`; what else keeps the backend from telling is no reason to speak of.
 */
export async function absenceOf(
  state: State,
  agentId: string,
  { asked, transport }: { asked: Backend; transport: Transport },
): Promise<string | undefined> {
  if (state.hasStore && runningPid(state, agentId) !== undefined) return undefined;
  const stored = await storedAgent(state, agentId);
  if (isLocal(asked) && stored && isLocal(stored))
    return `${agentId} is not running here: messages wait for it. Start it: ${selfCommand()} agent start ${agentId}`;
  try {
    const presence = await transport.isOnline?.(agentId, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!presence || presence.online) return undefined;
    const since = presence.lastSeen === undefined ? '' : `, last seen ${printable(presence.lastSeen)}`;
    return `${agentId} is offline${since}: messages wait for it.`;
  } catch (error) {
    if (CleoError.is(error, 'E_NOT_FOUND_AGENT')) throw error;
    return undefined;
  }
}
