import type { AgentCredential } from '@cleocode/contracts';
import { checkAgentId, isLocal } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { loadConfiguration } from '../configuration.ts';
import { stderrLogger } from '../logger.ts';
import type { Output } from '../output.ts';
import { selfCommand } from '../self-command.ts';
import { agentsToStart } from '../start/agents-to-start.ts';
import { commandHandlers, type HandlerFlags, kernelConfig } from '../start/kernel-config.ts';
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
  const loaded = await loadConfiguration(globals);
  const handlers = await commandHandlers(options);
  const logger = stderrLogger(
    globals.logLevel ?? loaded.environment.logLevel ?? loaded.config.logLevel ?? 'info',
    output,
  );
  const residents = await withState(async (state) => {
    const credentials = await agentsToStart(state, { ids, all: options.all ?? false, loaded, output });
    const named = credentials.length > 1;
    for (const credential of credentials) warnOfPlainHttp(credential, output);
    return credentials.map((credential) => {
      const { agentId, apiBaseUrl } = credential;
      return new Resident({
        agentId,
        apiBaseUrl,
        stateDir: state.dir,
        config: () => kernelConfig({ stateDir: state.dir, credential, loaded, flags: options, handlers }),
        logger: named ? logger.child({ agentId }) : logger,
        output,
        show: options.stdout ?? false,
        named,
      });
    });
  });
  cli.exitCode = await untilStopped(residents, output, (ready) => sayHowToTalk(output, ready));
}

function refuseContradictions(ids: string[], options: StartOptions): void {
  const { all, reply, exec, webhook, allowPrivate } = options;
  if (all && ids.length > 0) throw new UsageError('--all and ids were given', 'Give the one or the other.');
  if (reply && !exec && !webhook)
    throw new UsageError(
      '--reply needs --exec or --webhook: nothing else has something to say',
      "Say what answers: --exec './answer.sh' --reply",
    );
  if (allowPrivate && !webhook)
    throw new UsageError(
      '--allow-private needs --webhook',
      'Say where messages go: --webhook http://127.0.0.1:3000/ --allow-private',
    );
}

function warnOfPlainHttp({ agentId, apiBaseUrl, transportConfig }: AgentCredential, output: Output): void {
  if (transportConfig.allowInsecure !== true) return;
  output.note(
    `warning: ${agentId} talks plain http to ${apiBaseUrl}: who can listen on the way can read everything`,
  );
}

function sayHowToTalk(output: Output, { agentId, apiBaseUrl }: Resident): void {
  const send = `${selfCommand()} agent send --to ${agentId}`;
  output.text(
    isLocal({ apiBaseUrl })
      ? `  Talk to it from a second terminal:\n\n    ${send} "hello"\n\n  Ctrl-C stops it.\n`
      : `  Talk to it as another agent of ${apiBaseUrl}:\n\n    ${send} --agent another-agent "hello"\n\n  Ctrl-C stops it.\n`,
  );
}
