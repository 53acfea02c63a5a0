import { relative } from 'node:path';
import { describeConfig, loadConfig } from '@cleocode/kernel';
import type { Cli } from '../cli.ts';
import { printable, table } from '../terminal-text.ts';

/** Shows every option with its value and what decided it. Starts nothing. */
export async function run({ output, globals }: Cli): Promise<void> {
  const loaded = await loadConfig({ file: globals.config });
  const values = describeConfig(loaded);
  if (output.json) return output.line({ ok: true, file: loaded.file ?? null, values });
  const file =
    loaded.file === undefined
      ? 'No configuration file here: these are the defaults.'
      : relative('', loaded.file);
  const rows = values.map(({ path, value, origin }) => [
    path,
    show(value),
    output.style('dim', `(${origin})`),
  ]);
  output.text(`${file}\n\n${table(rows)}`);
}

/** A choice that is left to the start has no value yet. */
function show(value: unknown): string {
  if (value === null || value === undefined) return '-';
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}
