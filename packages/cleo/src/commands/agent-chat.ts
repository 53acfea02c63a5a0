import type { Backend } from '@cleocode/runtime/transport';
import { agentOrLatest, checkAgentId } from '../agents.ts';
import { asYou, you } from '../as-you.ts';
import { absenceOf } from '../chat/absence.ts';
import { byLines } from '../chat/by-lines.ts';
import type { ChatOptions, Heard } from '../chat/chat.ts';
import { Conversation } from '../chat/conversation.ts';
import { onTerminal } from '../chat/on-terminal.ts';
import type { Cli } from '../cli.ts';
import { listConversations } from '../conversations.ts';
import type { Output } from '../output.ts';
import { during } from '../progress.ts';
import { selfCommand } from '../self-command.ts';
import { type State, withState } from '../state.ts';
import { UsageError } from '../usage-error.ts';

/** A conversation with an agent: line by line on a terminal, or what stdin holds and the answers to it. */
export async function run({ output }: Cli, partner: string, options: ChatOptions): Promise<void> {
  const { agent } = options;
  for (const id of [partner, agent]) if (id !== undefined) checkAgentId(id);
  await withState(async (state) => {
    const talk = (speaker: Backend) => talkAs(speaker, partner, { state, output, options });
    if (agent !== undefined) return talk(await agentOrLatest(state, agent));
    const speaker = await asYou(
      state,
      (id) => `${selfCommand()} agent chat ${partner} --agent ${id}`,
      () => you(state, partner),
    );
    return talk(speaker);
  });
}

interface Talking {
  state: State;
  output: Output;
  options: ChatOptions;
}

async function talkAs(speaker: Backend, partner: string, { state, output, options }: Talking): Promise<void> {
  if (speaker.agentId === partner)
    throw new UsageError(`${partner} cannot talk to itself`, 'Say who speaks: --agent ID');
  const { connectTransport } = await import('@cleocode/runtime/transport');
  const transport = await during(output, `connecting to ${speaker.apiBaseUrl}`, () =>
    connectTransport(speaker, state.dir, { push: true }),
  );
  try {
    const [absence, conversationId] = await during(output, `looking for ${partner}`, () =>
      Promise.all([
        absenceOf(state, partner, { asked: speaker, transport }),
        conversationWith(state, speaker, partner),
      ]),
    );
    const open = (heard: Heard) => new Conversation({ transport, partner, conversationId, ...heard });
    const chat = { output, partner, speaker: speaker.agentId, absence, options, open };
    if (process.stdin.isTTY && output.interactive) await onTerminal(chat);
    else await byLines(chat);
  } finally {
    await transport.disconnect();
  }
}

/** The conversation of the two, when they have talked before. */
async function conversationWith(
  state: State,
  speaker: Backend,
  partner: string,
): Promise<string | undefined> {
  const all = await listConversations(state, speaker);
  return all.find(({ participants, visibility }) => {
    return visibility === 'private' && participants.length === 2 && participants.includes(partner);
  })?.id;
}
