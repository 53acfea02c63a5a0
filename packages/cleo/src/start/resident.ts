import { CleoError, services } from '@cleocode/contracts';
import {
  createKernel,
  definePlugin,
  type Kernel,
  type KernelConfig,
  type KernelDescription,
  type KernelState,
  type Logger,
  type Plugin,
  type PluginContext,
  type StopReport,
} from '@cleocode/kernel';
import type { AgentHealth, HealthProblem } from '@cleocode/runtime/compose';
import { controlAddress } from '../control/address.ts';
import { type ControlServer, serveControls } from '../control/server.ts';
import { failureOf } from '../failure.ts';
import type { AgentLog } from '../log/agent-log.ts';
import type { Output } from '../output.ts';
import { selfCommand } from '../self-command.ts';
import { ownVersion } from '../version.ts';
import type { AgentEvent } from './events.ts';
import { agentBegins } from './left-open.ts';
import { type Report, reporter } from './reporter.ts';
import { showPlugin } from './show-plugin.ts';

export interface ResidentOptions {
  agentId: string;
  /** Where its backend answers. */
  apiBaseUrl: string;
  stateDir: string;
  /** Called at the start; what it throws is a failure of this agent alone. */
  config(): Promise<KernelConfig>;
  logger: Logger;
  output: Output;
  /** `--stdout`: show each message, whatever else handles it. */
  show: boolean;
  /** One of several in this process. */
  named: boolean;
  /** Hears what happens. Default: it is told on `output`. */
  report?: (event: AgentEvent, showing: boolean) => void;
  /** It runs in the background: what happens is written here. */
  log?: AgentLog;
}

/** What a running agent answers about itself. */
export interface AgentStatus extends AgentHealth {
  agentId: string;
  state: KernelState;
  pid: number;
  uptimeMs: number;
  /** `failed`: calls of its message handlers that failed; absent while none has. */
  plugins: (Pick<KernelDescription['plugins'][number], 'name' | 'version' | 'tasks'> & { failed?: number })[];
  /** It runs in the background, and its log is there. */
  detached?: true;
  log?: string;
}

/** What a process answers that was asked to end its agent. */
export interface StopAnswer extends StopReport {
  /** What runs this process, and may start it again. */
  keptBy: 'systemd' | 'launchd' | undefined;
}

/** One agent running in this process: its kernel, and what is told of it. */
export class Resident {
  readonly agentId: string;
  readonly apiBaseUrl: string;
  readonly #options: ResidentOptions;
  readonly #report: Report;
  #kernel: Kernel | undefined;
  #controls: ControlServer | undefined;
  #health: (() => AgentHealth) | undefined;
  /** What happens before it is ready is told after that. */
  #early: AgentEvent[] | undefined = [];
  #transport = '';
  /** Showing a message is all that is done with it. */
  #showing = false;
  #making: Promise<Kernel> | undefined;
  #stopping: Promise<boolean> | undefined;
  #leftOpen: () => Promise<string[]> = async () => [];
  #startedAt = 0;

  constructor(options: ResidentOptions) {
    this.agentId = options.agentId;
    this.apiBaseUrl = options.apiBaseUrl;
    this.#options = options;
    this.#report = options.report
      ? (event) => options.report!(event, this.#showing)
      : reporter(options.output, { named: options.named, whole: () => this.#showing });
  }

  /**
   * Resolves when it is ready. A failure has been rolled back when it rejects. `onStopRequest` is called each time another process
   * asks to end it.
   */
  async start(onStopRequest: () => void): Promise<void> {
    const { agentId } = this;
    this.#startedAt = performance.now();
    this.#leftOpen = agentBegins();
    this.#making = this.#makeKernel(onStopRequest);
    const kernel = await this.#making;
    this.#kernel = kernel;
    try {
      await kernel.start();
    } catch (failure) {
      const error = withCure(agentId, unwrapped(failure));
      if (!this.#stopping) {
        void this.#leftOpen();
        this.#options.log?.notStarted(failureOf(error));
        this.#options.log?.close();
      }
      throw error;
    }
    const plugins = kernel.describe().plugins.map(({ name }) => name);
    this.#tell({ event: 'ready', agentId, transport: this.#transport, pid: process.pid, plugins });
    this.#tellEarly();
  }

  /** The name of its transport, once it is ready. */
  get transport(): string {
    return this.#transport;
  }

  /** What is wrong that a restart would cure, and nothing else is known to. */
  get stuck(): HealthProblem | undefined {
    if (this.#kernel?.state !== 'running') return undefined;
    return this.#health?.().problems.find(({ code }) => CURED_BY_RESTART.includes(code));
  }

  /** Drains and ends it. Resolves with whether nothing had to be forced; never rejects. */
  stop(reason: string): Promise<boolean> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  async #makeKernel(onStopRequest: () => void): Promise<Kernel> {
    const { config, logger, output, show, log } = this.#options;
    const { plugins = [], ...rest } = await config();
    const own = showPlugin({
      report: (event) => {
        log?.event(event, { whole: this.#showing });
        if (this.#early) this.#early.push(event);
        else this.#report(event);
      },
      flushed: () => (log ?? output).flushed(),
      shows: () => show || !kernel.describe().handlesMessages,
      onInit: (ctx, health) => this.#answer(ctx, { health, onStopRequest }),
      onStart: ({ transport, showing }) => {
        this.#transport = transport;
        this.#showing = showing;
      },
    });
    const kernel = createKernel({ ...rest, logger, plugins: [log && logPlugin(log), ...plugins, own] });
    return kernel;
  }

  /** Other processes may ask it how it is, until it has drained, and to stop. That they cannot is no reason not to run. */
  async #answer(
    ctx: Pick<PluginContext, 'defer' | 'logger'>,
    { health, onStopRequest }: { health: () => AgentHealth; onStopRequest: () => void },
  ): Promise<void> {
    const { agentId, stateDir } = this.#options;
    try {
      const server = await serveControls(controlAddress(stateDir, agentId), {
        status: () => this.#status(health()),
        plugins: () => ({ pid: process.pid, ...this.#kernel!.describe() }),
        stop: onStopRequest,
      });
      this.#controls = server;
      ctx.defer(() => server.close());
    } catch (error) {
      const { message, code, hint } = failureOf(error);
      ctx.logger.warn(message, { code, hint });
    }
  }

  #status(health: AgentHealth): AgentStatus {
    const { state, plugins } = this.#kernel!.describe();
    return {
      agentId: this.agentId,
      state,
      pid: process.pid,
      uptimeMs: Math.round(performance.now() - this.#startedAt),
      ...health,
      plugins: plugins.map(({ name, version, tasks, messages }) => {
        const failed = messages?.failed;
        return { name, version, tasks, ...(failed !== undefined && { failed }) };
      }),
      ...(this.#options.log && { detached: true as const, log: this.#options.log.path }),
    };
  }

  async #stop(reason: string): Promise<boolean> {
    // Whoever starts it went on first: it starts, and is stopped while it does.
    const kernel = await this.#making?.catch(() => undefined);
    // It could not be started and was told as a failure: there is nothing to stop.
    if (!kernel || kernel.state === 'failed') return true;
    const report = await kernel.stop(reason);
    const { drained, released, forced, ok } = report;
    const left = await this.#leftOpen();
    const leftOpen = left.length === 0 ? {} : { leftOpen: left };
    this.#tellEarly();
    this.#tell({
      event: 'stopped',
      agentId: this.agentId,
      reason,
      drained,
      released,
      forced,
      ok,
      ...leftOpen,
    });
    this.#options.log?.close();
    await this.#controls?.tellStopped({ ...report, keptBy: keeper() } satisfies StopAnswer);
    return ok;
  }

  #tell(event: AgentEvent): void {
    this.#options.log?.event(event, { whole: false });
    this.#report(event);
  }

  #tellEarly(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const event of early) this.#report(event);
  }
}

/** First in the list, it runs right after what it needs: once the agent's lock is held, and before other plugins take their time. */
function logPlugin(log: AgentLog): Plugin {
  return definePlugin({
    name: '@cleocode/cleo-log',
    version: ownVersion(),
    apiVersion: 1,
    requires: { agent: services.agent },
    setup(ctx) {
      ctx.on('init', () => log.open());
    },
  })();
}

/** Both say so in the environment, which is inherited: theirs is the process that was meant. */
function keeper({ SYSTEMD_EXEC_PID, XPC_SERVICE_NAME = '0' } = process.env): StopAnswer['keptBy'] {
  if (SYSTEMD_EXEC_PID === String(process.pid)) return 'systemd';
  return process.ppid === 1 && !/^(?:0|application\..*)$/.test(XPC_SERVICE_NAME) ? 'launchd' : undefined;
}

function withCure(agentId: string, error: unknown): unknown {
  if (!CleoError.is(error, 'E_ALREADY_RUNNING')) return error;
  const self = selfCommand();
  return new CleoError(error.code, `${agentId} is ${error.message}`, {
    hint: `See how it is: ${self} agent status ${agentId}. Stop it: ${self} agent stop ${agentId}`,
    cause: error,
    ...(error.details && { details: error.details }),
  });
}

/** The state folder's file was replaced, or the intake proves nothing and knows no reason: both are opened anew by a start. */
const CURED_BY_RESTART = ['storage_replaced', 'not_receiving'];

/** What one of our own plugins met is shown as it is; a third party's failure keeps its name in front. */
function unwrapped(error: unknown): unknown {
  const { plugin = '', cause } = error as { plugin?: string; cause?: unknown };
  if (!CleoError.is(error, 'E_PLUGIN_FAILED') || !CleoError.is(cause)) return error;
  return plugin.startsWith('@cleocode/') ? cause : error;
}
