import type { WireConversation } from '@cleocode/contracts';
import { checkAgentId, isLocal, storedAgent } from '../agents.ts';
import { requireDock } from '../as-you.ts';
import type { Cli } from '../cli.ts';
import { listConversations } from '../conversations.ts';
import { knownOperator } from '../operator.ts';
import { type State, withState } from '../state.ts';
import { table } from '../terminal-text.ts';

/** Lists an agent's conversations at its backend, the latest first. */
export async function run({ output }: Cli, word: string | undefined): Promise<void> {
  if (word !== undefined) checkAgentId(word);
  await withState(async (state) => {
    const conversations = await conversationsOf(state, word);
    const shown = conversations.map(({ id, participants, messageCount, lastMessageAt }) => ({
      conversationId: id,
      participants,
      messageCount,
      lastMessageAt,
    }));
    output.list(shown, () =>
      shown.length === 0
        ? 'No conversations.'
        : table(
            shown.map((one) => [
              one.conversationId,
              `${one.messageCount} messages`,
              one.lastMessageAt ?? '-',
              one.participants.join(', '),
            ]),
          ),
    );
  });
}

async function conversationsOf(state: State, word: string | undefined): Promise<WireConversation[]> {
  const stored = word === undefined ? null : await storedAgent(state, word);
  if (stored && !isLocal(stored)) return listConversations(state, stored);
  if (word !== undefined) requireDock(state, word);
  // Others than those registered here have conversations too: you, for one.
  const agentId = word ?? (state.hasDock ? await knownOperator(state) : undefined);
  return agentId === undefined ? [] : listConversations(state, { agentId, apiBaseUrl: 'local:' });
}
