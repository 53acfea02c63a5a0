import type { SetAside } from '@cleocode/store';
import { agentAction } from '../agent-action.ts';
import { agentOrLatest } from '../agents.ts';
import type { Cli } from '../cli.ts';
import type { Output } from '../output.ts';
import { withState } from '../state.ts';
import { excerpt, printable, table } from '../terminal-text.ts';

const MAX_SHOWN = 100;

/**
 * Conversations that were set aside because agents answered each other there without end. A running agent goes on with a
 * resumed one at once, another at its next start.
 */
export async function run(
  { output }: Cli,
  words: string[],
  { all = false }: { all?: boolean },
): Promise<void> {
  const { agentId, action, item } = agentAction(words, all, {
    actions: { list: 'none', show: 'one', resume: 'one or all', drop: 'one or all' },
    command: 'set-aside',
    noun: 'conversation',
  });
  await withState(async (state) => {
    const agent = (await agentOrLatest(state, agentId)).agentId;
    const asides = (await state.store()).setAsideFor(agent);
    if (action === 'list') return list(output, asides, agent);
    if (action === 'show') return show(output, asides, item!);
    const { conversations, messages } =
      action === 'resume' ? await resume(asides, item) : await drop(asides, item);
    const found = count(conversations, 'conversation');
    output.result(
      { ok: true, agentId: agent, conversations, messages },
      action === 'resume'
        ? `${found} will go on, with ${count(messages, 'message')} that ${agent} kept.`
        : `${found} will go on without the ${count(messages, 'message')} that ${agent} kept.`,
    );
  });
}

async function resume(asides: SetAside, conversation: string | undefined) {
  const chosen = conversation === undefined ? await asides.list() : [await asides.get(conversation)];
  for (const one of chosen) await asides.resume(one.conversation);
  return { conversations: chosen.length, messages: chosen.reduce((sum, { held }) => sum + held, 0) };
}

async function drop(asides: SetAside, conversation: string | undefined) {
  if (conversation === undefined) return asides.dropAll();
  await asides.get(conversation);
  return { conversations: 1, messages: await asides.drop(conversation) };
}

async function list(output: Output, asides: SetAside, agent: string): Promise<void> {
  const found = await asides.list();
  output.list(found, () => {
    if (found.length === 0) return `${agent} has set no conversation aside.`;
    return table(
      found.map(({ conversation, since, held, reason, resuming }) => [
        printable(conversation),
        since,
        count(held, 'message'),
        resuming ? 'goes on' : reason,
      ]),
    );
  });
}

async function show(output: Output, asides: SetAside, conversation: string): Promise<void> {
  const found = await asides.get(conversation);
  const messages = await asides.messages(conversation, { limit: MAX_SHOWN });
  output.result(
    { ok: true, ...found, messages },
    [
      table([
        ['conversation', printable(found.conversation)],
        ['since', found.since],
        ['reason', found.reason],
        ['kept', count(found.held, 'message')],
      ]),
      '',
      ...messages.map(({ from, content }) => `${printable(from)}: ${excerpt(content, 500)}`),
    ].join('\n'),
  );
  if (found.held > messages.length)
    output.note(`These are the oldest ${messages.length} of ${found.held} messages.`);
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
