import type { DeadLetter } from '@cleocode/contracts';
import type { DeadLetters } from '@cleocode/store';
import { agentAction } from '../agent-action.ts';
import { agentOrLatest } from '../agents.ts';
import type { Cli } from '../cli.ts';
import type { Output } from '../output.ts';
import { withState } from '../state.ts';
import { excerpt, printable, table } from '../terminal-text.ts';

const MAX_LISTED = 1_000;

/** Messages that failed for good. A running agent takes a replayed one up at once, another at its next start. */
export async function run(
  { output }: Cli,
  words: string[],
  { all = false }: { all?: boolean },
): Promise<void> {
  const {
    agentId,
    action,
    item: message,
  } = agentAction(words, all, {
    actions: { list: 'none', show: 'one', replay: 'one or all', drop: 'one or all' },
    command: 'dead-letters',
    noun: 'message',
  });
  await withState(async (state) => {
    const agent = (await agentOrLatest(state, agentId)).agentId;
    const letters = (await state.store()).deadLettersFor(agent);
    if (action === 'list') return list(output, letters, agent);
    if (action === 'show') return show(output, await letters.get(message!));
    const count =
      action === 'replay'
        ? await (message === undefined ? letters.replayAll() : letters.replay(message))
        : await (message === undefined ? letters.dropAll() : letters.drop(message));
    const done = action === 'replay' ? `will be handled again by ${agent}` : 'dropped';
    output.result(
      { ok: true, agentId: agent, count },
      `${count} ${count === 1 ? 'message' : 'messages'} ${done}.`,
    );
  });
}

async function list(output: Output, letters: DeadLetters, agent: string): Promise<void> {
  const dead = await letters.list({ limit: MAX_LISTED });
  const total = await letters.count();
  output.list(dead, () => {
    if (total === 0) return `${agent} has no dead letters.`;
    const rows = dead.map(({ message, attempts, diedAt, reason }) => [
      printable(message.id),
      printable(message.from),
      diedAt,
      `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`,
      excerpt(reason, 120).replaceAll('\n', ' '),
    ]);
    return table(rows);
  });
  if (total > dead.length) output.note(`These are the oldest ${dead.length} of ${total}.`);
}

function show(output: Output, letter: DeadLetter): void {
  const { message, reason, attempts, diedAt } = letter;
  output.result(
    { ok: true, ...letter },
    [
      table([
        ['message', printable(message.id)],
        ['from', printable(message.from)],
        ['sent', printable(message.timestamp)],
        ['died', `${diedAt}, after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`],
        ['reason', excerpt(reason)],
      ]),
      '',
      excerpt(message.content).replaceAll('\n  ', '\n'),
    ].join('\n'),
  );
}
