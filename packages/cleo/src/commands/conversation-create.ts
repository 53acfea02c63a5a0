import type { Backend } from '@cleocode/runtime/transport';
import { agentOrLatest, checkAgentId } from '../agents.ts';
import { asYou, requireDock } from '../as-you.ts';
import type { Cli } from '../cli.ts';
import { createConversation } from '../conversations.ts';
import { operator } from '../operator.ts';
import { selfCommand } from '../self-command.ts';
import { type State, withState } from '../state.ts';
import { UsageError } from '../usage-error.ts';

/** Opens a conversation: as you on the embedded backend, or as an agent at its own. */
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
  const others = participants.join(',');
  await withState(async (state) => {
    const open = async () =>
      createConversation(state, await openerOf(state, word, participants), participants);
    const conversation = await (word === undefined
      ? asYou(state, (id) => `${selfCommand()} conversation create ${id} --with ${others}`, open)
      : open());
    const send = `${selfCommand()} agent send --conv ${conversation.id}${word === undefined ? '' : ` --agent ${word}`} "hello"`;
    output.result(
      { ok: true, conversationId: conversation.id, participants: conversation.participants },
      `${conversation.id}\n  Between ${conversation.participants.join(', ')}. Send to it: ${send}`,
    );
  });
}

/** The agent that is named, else you. */
async function openerOf(
  state: State,
  word: string | undefined,
  participants: readonly string[],
): Promise<Backend> {
  if (word !== undefined) return agentOrLatest(state, word);
  requireDock(state, participants[0]!);
  return { agentId: await operator(state), apiBaseUrl: 'local:' };
}
