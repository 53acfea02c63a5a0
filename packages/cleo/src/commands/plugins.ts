import { CleoError } from '@cleocode/contracts';
import type { KernelDescription } from '@cleocode/kernel';
import { checkAgentId } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { type AgentToShow, agentToShow } from '../config/agent-to-show.ts';
import { dryKernel } from '../config/dry-kernel.ts';
import { type Configuration, loadConfiguration } from '../configuration.ts';
import { controlAddress } from '../control/address.ts';
import { ask } from '../control/client.ts';
import { stderrLogger } from '../logger.ts';
import { kernelConfig } from '../start/kernel-config.ts';
import { type State, withState } from '../state.ts';
import { printable } from '../terminal-text.ts';

/**
 * Shows the plugins of an agent in the order they run: of its process, with what they have cost so far, while it runs; else what
 * `cleo agent start` would run, set up, which opens nothing, and not started.
 */
export async function run(cli: Cli, word: string | undefined): Promise<void> {
  const { output } = cli;
  if (word !== undefined) checkAgentId(word);
  const loaded = await loadConfiguration(cli.globals);
  await withState(async (state) => {
    const agent = await agentToShow(state, word, loaded);
    const { agentId } = agent;
    const alive = await ofProcess(cli, state, agentId);
    const { plugins, services, pid } = alive ?? (await dry(cli, { state, agent, loaded }));
    const where = alive
      ? `${agentId}, as it runs (process ${pid})`
      : `${agentId} does not run: as it would start, set up here`;
    output.result(
      { ok: true, agentId, running: alive !== undefined, ...(alive && { pid }), plugins, services },
      [`${where}\n`, ...plugins.map(describe)].join('\n'),
    );
  });
}

type Described = Pick<KernelDescription, 'plugins' | 'services'> & { pid?: number };

/** Undefined where no process runs it, or one that cannot be asked, which is told. */
async function ofProcess({ output }: Cli, state: State, agentId: string): Promise<Described | undefined> {
  try {
    return (await ask(controlAddress(state.dir, agentId), '/plugins')) as Described | undefined;
  } catch (error) {
    if (!CleoError.is(error, 'E_NOT_RESPONDING')) throw error;
    output.note(`warning: ${error.message}; this is how it would start`);
    return undefined;
  }
}

async function dry(
  { output, globals }: Cli,
  { state, agent, loaded }: { state: State; agent: AgentToShow; loaded: Configuration },
): Promise<Described> {
  const config = await kernelConfig({ stateDir: state.dir, credential: agent, loaded });
  const level = globals.logLevel ?? loaded.environment.logLevel ?? 'warn';
  return dryKernel(config, stderrLogger(level, output));
}

type Plugin = KernelDescription['plugins'][number];

function describe(plugin: Plugin, index: number): string {
  const { name, version, requires, optional, provides, hooks, tasks } = plugin;
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
    ['tasks', tasks.map(told).join(', ')],
    ['time', times(plugin)],
  ];
  const lines = facts
    .filter(([, value]) => value !== '')
    .map(([what, value]) => `   ${what}: ${printable(value)}`);
  return [`${index + 1}. ${printable(name)} ${version}`, ...lines].join('\n');
}

function told({ name, state, restarts }: Plugin['tasks'][number]): string {
  const again = restarts > 0 ? `, restarted ${restarts} ${restarts === 1 ? 'time' : 'times'}` : '';
  return `${name} (${state}${again})`;
}

function times({ ms, messages }: Plugin): string {
  const phases = Object.entries(ms).map(([phase, taken]) => `${phase} ${milliseconds(taken)}`);
  if (!messages || messages.count === 0) return phases.join(', ');
  const { count, failed = 0, meanMs } = messages;
  const each = meanMs === undefined ? '' : ` of ${milliseconds(meanMs)}`;
  return [
    ...phases,
    `${count} ${count === 1 ? 'message' : 'messages'}${each}${failed > 0 ? `, ${failed} failed` : ''}`,
  ].join(', ');
}

/** Three digits say enough. */
function milliseconds(ms: number): string {
  return `${ms >= 100 ? Math.round(ms) : ms >= 1 ? ms.toFixed(1) : ms.toFixed(3)} ms`;
}
