import { once } from 'node:events';
import { CleoError } from '@cleocode/contracts';
import { definePlugin, type Plugin } from '@cleocode/kernel';
import { checkAgentId } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { type Configuration, loadConfiguration } from '../configuration.ts';
import { stderrLogger } from '../logger.ts';
import type { Output } from '../output.ts';
import { selfCommand } from '../self-command.ts';
import { agentsToStart } from '../start/agents-to-start.ts';
import type { AgentEvent } from '../start/events.ts';
import { kernelConfig } from '../start/kernel-config.ts';
import { Resident } from '../start/resident.ts';
import { untilStopped } from '../start/until-stopped.ts';
import { withState } from '../state.ts';
import { printable } from '../terminal-text.ts';
import { ownVersion } from '../version.ts';

/** A line is taken at once, or by a reader who does not read: a stop waits no longer for that one. */
const DRAIN_MS = 500;

/**
 * Prints an agent's messages as JSON lines, each acknowledged once the system has taken its line. It is the agent meanwhile: one
 * process at a time. What the configuration does with messages is left out; how they come is not.
 */
export async function run(cli: Cli, id: string | undefined): Promise<void> {
  const { output, globals } = cli;
  if (id !== undefined) checkAgentId(id);
  const loaded = await loadConfiguration(globals);
  const logger = stderrLogger(
    globals.logLevel ?? loaded.environment.logLevel ?? loaded.config.logLevel ?? 'warn',
    output,
  );
  const resident = await withState(async (state) => {
    const ids = id === undefined ? [] : [id];
    const [credential] = await agentsToStart(state, { ids, all: false, loaded, output });
    const { agentId, apiBaseUrl } = credential!;
    return new Resident({
      agentId,
      apiBaseUrl,
      stateDir: state.dir,
      config: async () => {
        const { inbox, timeouts, ...rest } = await kernelConfig({
          stateDir: state.dir,
          credential: credential!,
          loaded: withoutHandlers(loaded),
          handlers: [printer(output)],
        });
        return {
          ...rest,
          // One after another: a reader who leaves has been shown no more than a line it did not ask for.
          inbox: { ...inbox, concurrency: 1 },
          timeouts: { ...timeouts, drainMs: DRAIN_MS },
        };
      },
      logger,
      output,
      show: false,
      named: false,
      report: (event) => tellTrouble(output, event),
    });
  });
  try {
    const tellPerson = () => {
      if (process.stderr.isTTY && !output.json) output.note(`Watching ${resident.agentId}. Ctrl-C ends it.`);
    };
    cli.exitCode = await untilStopped([resident], output, tellPerson, { readerMayLeave: true });
  } catch (error) {
    throw CleoError.is(error, 'E_ALREADY_RUNNING') ? runsElsewhere(resident.agentId, error) : error;
  }
}

/** Prints each message as it came. Where nobody reads any more it waits to be stopped: the message counts as not tried. */
function printer(output: Output): Plugin {
  return definePlugin({
    name: '@cleocode/cleo-watch',
    version: ownVersion(),
    apiVersion: 1,
    setup(ctx) {
      ctx.on('message', async ({ message, signal }) => {
        try {
          await output.lineTaken(message);
        } catch {
          if (!signal.aborted) await once(signal, 'abort');
        }
      });
    },
  })();
}

/** What brings messages stays: a transport, or a poller with options of its own. */
function withoutHandlers(loaded: Configuration): Configuration {
  const { plugins } = loaded.config;
  return { ...loaded, config: { ...loaded.config, plugins: plugins.filter(isPart) } };
}

function isPart({ definition: { provides = [] } }: Plugin): boolean {
  return provides.length > 0;
}

/** The log of a person leaves out what the inbox meets. */
function tellTrouble(output: Output, event: AgentEvent): void {
  if (output.json) return;
  if (event.event === 'problem')
    output.note(event.resolved ? `${event.code} is over` : `${event.code}: ${printable(event.message)}`);
  if (event.event === 'dead') output.note(`message ${event.id} is a dead letter: ${printable(event.error)}`);
}

function runsElsewhere(agentId: string, cause: CleoError): CleoError {
  const pid = cause.details?.pid;
  const self = selfCommand();
  return new CleoError(
    'E_ALREADY_RUNNING',
    `${agentId} runs already${pid === undefined ? '' : `, as process ${pid}`}: its messages go there`,
    {
      hint: `Stop it first: ${self} agent stop ${agentId}. To look and take nothing: ${self} agent poll ${agentId}`,
      ...(cause.details && { details: cause.details }),
      cause,
    },
  );
}
