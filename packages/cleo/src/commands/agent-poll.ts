import type { ConduitMessage } from '@cleocode/contracts';
import { agentOrLatest, checkAgentId } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { knownOperator } from '../operator.ts';
import { type State, withState } from '../state.ts';
import { excerpt, printable } from '../terminal-text.ts';

/** More than any transport gives itself, whose error says more. */
const POLL_TIMEOUT_MS = 30_000;

/** Shows what waits for an agent, oldest first. Acknowledges nothing. */
export async function run(
  { output }: Cli,
  word: string | undefined,
  { limit }: { limit: number },
): Promise<void> {
  if (word !== undefined) checkAgentId(word);
  await withState(async (state) => {
    const credential = await credentialOf(state, word);
    const { connectTransport } = await import('@cleocode/runtime/transport');
    const transport = await connectTransport(credential, state.dir);
    let messages: ConduitMessage[];
    try {
      messages = await transport.poll({ limit, signal: AbortSignal.timeout(POLL_TIMEOUT_MS) });
    } finally {
      await transport.disconnect();
    }
    output.list(messages, () =>
      messages.length === 0
        ? `Nothing waits for ${credential.agentId}.`
        : messages.map((message) => text(message)).join('\n'),
    );
  });
}

/** You are no registered agent, and get messages all the same. */
async function credentialOf(state: State, word: string | undefined) {
  if (word !== undefined && state.hasDock && (await knownOperator(state)) === word)
    return { agentId: word, apiBaseUrl: 'local:' };
  return agentOrLatest(state, word);
}

function text({ id, from, content, timestamp }: ConduitMessage): string {
  return `${printable(id)}  ${printable(timestamp)}\n  ${printable(from)}: ${excerpt(content, 500)}`;
}
