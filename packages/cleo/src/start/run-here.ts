import type { AgentCredential } from '@cleocode/contracts';
import type { Cli } from '../cli.ts';
import type { StartOptions } from '../commands/agent-start.ts';
import { loadConfiguration } from '../configuration.ts';
import { stderrLogger } from '../logger.ts';
import type { Output } from '../output.ts';
import { withState } from '../state.ts';
import { agentsToStart } from './agents-to-start.ts';
import type { Background } from './background.ts';
import { howToTalk } from './how-to-talk.ts';
import { commandHandlers, kernelConfig } from './kernel-config.ts';
import { Resident } from './resident.ts';
import { untilStopped } from './until-stopped.ts';

/** Runs the agents in this process until they have ended. `background`: it is the one of `--detach`. */
export async function runHere(
  cli: Cli,
  ids: string[],
  options: StartOptions,
  background?: Background,
): Promise<void> {
  const { output, globals } = cli;
  const voice = background ?? output;
  const loaded = await loadConfiguration(globals);
  const handlers = await commandHandlers(options);
  const level = globals.logLevel ?? loaded.environment.logLevel ?? loaded.config.logLevel ?? 'info';
  const logger = stderrLogger(level, output);
  const residents = await withState(async (state) => {
    const credentials = await agentsToStart(state, { ids, all: options.all ?? false, loaded, output: voice });
    const named = credentials.length > 1;
    for (const credential of credentials) warnOfPlainHttp(credential, voice);
    return credentials.map((credential) => {
      const { agentId, apiBaseUrl } = credential;
      const log = background?.logOf(state.dir, agentId, level);
      return new Resident({
        agentId,
        apiBaseUrl,
        stateDir: state.dir,
        config: () => kernelConfig({ stateDir: state.dir, credential, loaded, flags: options, handlers }),
        logger: log?.logger ?? (named ? logger.child({ agentId }) : logger),
        output,
        show: options.stdout ?? false,
        named,
        ...(log && {
          log,
          report: (event, showing) => background!.ready(event, log, showing && !options.stdout),
        }),
      });
    });
  });
  const onReady = background
    ? () => background.started()
    : (ready: Resident) => output.text(`${howToTalk(ready)}\n  Ctrl-C stops it.\n`);
  cli.exitCode = await untilStopped(residents, voice, onReady);
}

function warnOfPlainHttp(
  { agentId, apiBaseUrl, transportConfig }: AgentCredential,
  output: Pick<Output, 'note'>,
): void {
  if (transportConfig.allowInsecure !== true) return;
  output.note(
    `warning: ${agentId} talks plain http to ${apiBaseUrl}: who can listen on the way can read everything`,
  );
}
