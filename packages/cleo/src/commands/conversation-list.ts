import { CleoError, type WireConversation } from '@cleocode/contracts';
import { checkAgentId } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { knownOperator } from '../operator.ts';
import { type State, withState } from '../state.ts';
import { table } from '../terminal-text.ts';

const PAGE = 200;

/** Lists an agent's conversations on the embedded backend, the latest first. */
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
  if (!state.hasDock) {
    if (word === undefined) return [];
    throw new CleoError('E_NOT_FOUND_AGENT', `agent "${word}" is not registered in ${state.dir}`, {
      hint: `Register it: cleo agent register ${word}`,
    });
  }
  const dock = await state.dock();
  const agentId = word ?? (await knownOperator(state));
  if (agentId === undefined) return [];
  // An agent that is not there and one without conversations are different answers.
  await dock.getAgent(agentId);
  const all: WireConversation[] = [];
  for (let page = 1; all.length === (page - 1) * PAGE; page++)
    all.push(...(await dock.listConversations(agentId, { page, limit: PAGE })));
  return all;
}
