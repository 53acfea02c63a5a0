import { CleoError } from '@cleocode/contracts';
import { agentOrLatest, checkAgentId } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { operator } from '../operator.ts';
import { withState } from '../state.ts';
import { UsageError } from '../usage-error.ts';

/** Opens a conversation on the embedded backend. */
export async function run(
  { output }: Cli,
  word: string | undefined,
  options: { with: string },
): Promise<void> {
  if (word !== undefined) checkAgentId(word);
  const participants = options.with
    .split(',')
    .map((id) => id.trim())
    .filter(Boolean);
  if (participants.length === 0)
    throw new UsageError('--with names nobody', 'Give ids, separated by commas: --with ada,bob');
  for (const id of participants) checkAgentId(id);
  await withState(async (state) => {
    if (!state.hasDock)
      throw new CleoError('E_NOT_FOUND_AGENT', `no agent is registered in ${state.dir}`, {
        hint: `Register them first: cleo agent register ${participants[0]}`,
      });
    const creator = word === undefined ? await operator(state) : (await agentOrLatest(state, word)).agentId;
    const dock = await state.dock();
    const conversation = await dock.createConversation(creator, { participants });
    output.result(
      { ok: true, conversationId: conversation.id, participants: conversation.participants },
      `${conversation.id}\n  Between ${conversation.participants.join(', ')}. Send to it: cleo agent send --conv ${conversation.id} "hello"`,
    );
  });
}
