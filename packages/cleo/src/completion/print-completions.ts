import { Output } from '../output.ts';
import { buildProgram } from '../program.ts';
import { agentIds } from './agent-ids.ts';
import { type Completion, complete } from './complete.ts';

/** Somebody waits with a finger on the key. */
const TIMEOUT_MS = 1_000;

/**
 * Answers a shell that asks how its line may go on: a line for each candidate, its description behind a tab, and in the end
 * `:files`, `:folders` or `:none` for what the shell may add by itself. Whatever goes wrong, the answer is short, never an error.
 */
export async function printCompletions(words: readonly string[]): Promise<void> {
  const late = setTimeout(() => process.exit(0), TIMEOUT_MS);
  process.stdout.on('error', () => process.exit(0));
  let found: Completion;
  try {
    const { command } = buildProgram(new Output({ json: false, verbose: false }), words);
    found = await complete(command, words, {
      agents: async (cwd = '.') => agentIds(cwd),
    });
  } catch {
    found = { candidates: [] };
  }
  const lines = found.candidates.map(
    ({ value, description }) => `${value}\t${description.split('\n', 1)[0]}`,
  );
  const answer = [...lines, `:${found.paths ?? 'none'}`].join('\n');
  await new Promise<void>((resolve) => process.stdout.write(`${answer}\n`, () => resolve()));
  clearTimeout(late);
}
