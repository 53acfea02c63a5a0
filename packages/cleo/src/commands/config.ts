import { relative } from 'node:path';
import { checkAgentId } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { originText } from '../config/origins.ts';
import { settings } from '../config/settings.ts';
import { loadConfiguration } from '../configuration.ts';
import { withState } from '../state.ts';
import { printable, table } from '../terminal-text.ts';

/** Shows every value an agent would be started with, and what decided it. Starts nothing. */
export async function run(cli: Cli, word: string | undefined): Promise<void> {
  const { output } = cli;
  if (word !== undefined) checkAgentId(word);
  const loaded = await loadConfiguration(cli.globals);
  const refused = (message: string) => output.note(`warning: ${printable(message)}`);
  const values = await withState((state) => settings({ state, loaded, cli, word, refused }));
  if (output.json) return output.line({ ok: true, file: loaded.file ?? null, values });
  const { file } = loaded;
  const head =
    file === undefined ? 'No configuration file here: these are the defaults.' : relative('', file);
  const rows = values.map((one) => [
    one.path,
    show(one.value),
    output.style('dim', `(${originText(one, file)})`),
  ]);
  output.text(`${head}\n\n${table(rows)}`);
}

function show(value: unknown): string {
  if (value === null || value === undefined) return '-';
  return printable(typeof value === 'string' ? value : JSON.stringify(value)).replaceAll('\n', ' ');
}
