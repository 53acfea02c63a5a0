import { CleoError } from '@cleocode/contracts';
import { createKernel, type Kernel, type KernelConfig, type Logger, type StopReport } from '@cleocode/kernel';
import type { Output } from '../output.ts';
import type { AgentEvent } from './events.ts';
import { type Report, reporter } from './reporter.ts';
import { showPlugin } from './show-plugin.ts';

export interface ResidentOptions {
  agentId: string;
  config: KernelConfig;
  logger: Logger;
  output: Output;
  /** `--stdout`: show each message, whatever else handles it. */
  show: boolean;
  /** One of several in this process. */
  named: boolean;
}

/** One agent running in this process: its kernel, and what is told of it. */
export class Resident {
  readonly agentId: string;
  readonly #kernel: Kernel;
  readonly #report: Report;
  /** What happens before it is ready is told after that. */
  #early: AgentEvent[] | undefined = [];
  #transport = '';
  #stopping: Promise<StopReport> | undefined;

  constructor({ agentId, config, logger, output, show, named }: ResidentOptions) {
    let showing = false;
    this.agentId = agentId;
    this.#report = reporter(output, { named, whole: () => showing });
    const own = showPlugin({
      output,
      report: (event) => {
        if (this.#early) this.#early.push(event);
        else this.#report(event);
      },
      always: show,
      handled: () => this.#kernel.describe().handlesMessages,
      onStart: (facts) => {
        showing = facts.showing;
        this.#transport = facts.transport;
      },
    });
    this.#kernel = createKernel({ ...config, logger, plugins: [...(config.plugins ?? []), own] });
  }

  /** Resolves when it is ready. A failure has been rolled back when it rejects. */
  async start(): Promise<void> {
    const { agentId } = this;
    try {
      await this.#kernel.start();
    } catch (error) {
      throw unwrapped(error);
    }
    const plugins = this.#kernel.describe().plugins.map(({ name }) => name);
    this.#report({ event: 'ready', agentId, transport: this.#transport, pid: process.pid, plugins });
    this.#tellEarly();
  }

  /** Drains and ends it; the same report for every caller. Never rejects. */
  stop(reason: string): Promise<StopReport> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  async #stop(reason: string): Promise<StopReport> {
    const { agentId } = this;
    // It could not be started, and was told as a failure: there is nothing to stop.
    const failed = this.#kernel.state === 'failed';
    const report = await this.#kernel.stop(reason);
    const { drained, released, forced, ok } = report;
    this.#tellEarly();
    if (!failed) this.#report({ event: 'stopped', agentId, reason, drained, released, forced, ok });
    return report;
  }

  #tellEarly(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const event of early) this.#report(event);
  }
}

/** What one of our own plugins met is shown as it is; a third party's failure keeps its name in front. */
function unwrapped(error: unknown): unknown {
  const { plugin = '', cause } = error as { plugin?: string; cause?: unknown };
  if (!CleoError.is(error, 'E_PLUGIN_FAILED') || !CleoError.is(cause)) return error;
  return plugin.startsWith('@cleocode/') ? cause : error;
}
