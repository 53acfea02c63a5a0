import { loadConfig } from '@cleocode/kernel';
import { checkAgentId } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { stderrLogger } from '../logger.ts';
import { selfCommand } from '../self-command.ts';
import { agentsToStart } from '../start/agents-to-start.ts';
import { type HandlerFlags, kernelConfig } from '../start/kernel-config.ts';
import { Resident } from '../start/resident.ts';
import { untilStopped } from '../start/until-stopped.ts';
import { withState } from '../state.ts';
import { UsageError } from '../usage-error.ts';

export interface StartOptions extends HandlerFlags {
  all?: boolean;
  stdout?: boolean;
}

/** Runs agents in the foreground until a signal ends them. Each has a kernel of its own: one that fails is not another's. */
export async function run(cli: Cli, ids: string[], options: StartOptions): Promise<void> {
  const { output, globals } = cli;
  refuseContradictions(ids, options);
  for (const id of ids) checkAgentId(id);
  // Needed in a moment, whatever the configuration says: the disk is read while it is evaluated.
  const runtime = import('@cleocode/runtime');
  const loaded = await loadConfig({ file: globals.config });
  await runtime;
  const logger = stderrLogger(globals.logLevel ?? loaded.config.logLevel ?? 'info', output);
  const residents = await withState(async (state) => {
    const credentials = await agentsToStart(state, { ids, all: options.all ?? false, loaded, output });
    const named = credentials.length > 1;
    return Promise.all(
      credentials.map(async (credential) => {
        const { agentId } = credential;
        const config = await kernelConfig({ stateDir: state.dir, credential, loaded, flags: options });
        return new Resident({
          agentId,
          config,
          logger: named ? logger.child({ agentId }) : logger,
          output,
          show: options.stdout ?? false,
          named,
        });
      }),
    );
  });
  const sayHow = () =>
    output.text(
      `  Talk to it from a second terminal:\n\n    ${selfCommand()} agent send --to ${residents[0]!.agentId} "hello"\n\n  Ctrl-C stops it.\n`,
    );
  cli.exitCode = await untilStopped(residents, output, sayHow);
}

function refuseContradictions(ids: string[], { all, reply, exec }: StartOptions): void {
  if (all && ids.length > 0) throw new UsageError('--all and ids were given', 'Give the one or the other.');
  if (reply && !exec)
    throw new UsageError('--reply needs --exec', "Say what answers: --exec './answer.sh' --reply");
}
