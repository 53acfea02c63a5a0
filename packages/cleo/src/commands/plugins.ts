import type { KernelDescription } from '@cleocode/kernel';
import type { Cli } from '../cli.ts';
import { agentToShow } from '../config/agent-to-show.ts';
import { dryKernel } from '../config/dry-kernel.ts';
import { loadConfiguration } from '../configuration.ts';
import { stderrLogger } from '../logger.ts';
import { kernelConfig } from '../start/kernel-config.ts';
import { withState } from '../state.ts';
import { printable } from '../terminal-text.ts';

/** Shows what `cleo agent start` would run, in order. Sets the plugins up, which opens nothing, and starts none. */
export async function run({ output, globals }: Cli, word: string | undefined): Promise<void> {
  const loaded = await loadConfiguration(globals);
  await withState(async (state) => {
    const credential = await agentToShow(state, word, loaded);
    const config = kernelConfig({ stateDir: state.dir, credential, loaded });
    const logger = stderrLogger(globals.logLevel ?? loaded.environment.logLevel ?? 'warn', output);
    const { plugins, services } = await dryKernel(config, logger);
    output.result(
      { ok: true, agentId: credential.agentId, plugins, services },
      plugins.map(describe).join('\n'),
    );
  });
}

type Described = KernelDescription['plugins'][number];

function describe(
  { name, version, requires, optional, provides, hooks, ms }: Described,
  index: number,
): string {
  const facts: [string, string][] = [
    ['provides', provides.join(', ')],
    ['requires', requires.join(', ')],
    ['uses if there', optional.join(', ')],
    [
      'hooks',
      Object.entries(hooks)
        .map(([hook, count]) => (count === 1 ? hook : `${hook} ×${count}`))
        .join(', '),
    ],
    [
      'time',
      Object.entries(ms)
        .map(([phase, taken]) => `${phase} ${taken.toFixed(1)} ms`)
        .join(', '),
    ],
  ];
  const lines = facts
    .filter(([, value]) => value !== '')
    .map(([what, value]) => `   ${what}: ${printable(value)}`);
  return [`${index + 1}. ${printable(name)} ${version}`, ...lines].join('\n');
}
