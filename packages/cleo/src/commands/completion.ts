import type { Cli } from '../cli.ts';
import { SCRIPTS, type Shell } from '../completion/scripts.ts';

/** Prints the script that teaches a shell to complete `cleo`. */
export async function run({ output }: Cli, shell: Shell): Promise<void> {
  const script = SCRIPTS[shell];
  output.result({ ok: true, shell, script }, script.trimEnd());
}
