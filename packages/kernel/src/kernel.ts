import { type ConduitMessage, errorText, type Inbox, services, type Transport } from '@cleocode/contracts';
import { parseConfig } from './config/schema.ts';
import type { AgentConfig, KernelTimeouts } from './config/types.ts';
import { describePlugins, type KernelDescription } from './describe.ts';
import { type DispatchResult, dispatch } from './dispatch.ts';
import { KernelError, type Phase } from './errors.ts';
import { Hooks } from './hooks.ts';
import { type DrainReport, KernelInbox } from './inbox/inbox.ts';
import type { InboxOptions } from './inbox/options.ts';
import { Lifecycle } from './lifecycle.ts';
import { type Logger, redacting } from './logger.ts';
import type { Plugin, StopReason } from './plugin.ts';
import type { Forced, PluginHost } from './plugin-host.ts';
import { type OldName, warnOfOldName } from './renamed.ts';
import { Services } from './services.ts';
import { plan } from './set-up.ts';
import { timeoutsWithDefaults } from './timeouts.ts';
import { warningsToConsole } from './warnings.ts';

/** What a kernel is made of; `loadConfig` gives one, or write it yourself. */
export interface KernelConfig {
  /** Who this process is, where no plugin (such as the store) knows. */
  agent?: string | AgentConfig | undefined;
  /** A transport plugin, or a transport somebody already built. */
  transport?: Plugin | Transport | undefined;
  /** In the order in which they should run. `false`, `null` and `undefined` are left out. */
  plugins?: readonly (Plugin | false | null | undefined)[];
  inbox?: InboxOptions | undefined;
  timeouts?: KernelTimeouts | undefined;
  /** Default: warnings and errors, as lines on stderr. */
  logger?: Logger | undefined;
  /** What `loadConfig` has found in the file under an old name: the kernel warns of it. */
  oldNames?: readonly OldName[] | undefined;
}

/** How a stop went. */
export interface StopReport {
  /** Why the plugins were ended: the first reason given, or `failed start`. */
  reason: StopReason;
  /** Every message that was being handled finished. */
  drained: boolean;
  /**
   * Messages given up at the drain deadline, each with the plugin that was at it; they come again at the next start. Waiting ones
   * are not listed.
   */
  released: { messageId: string; plugin?: string }[];
  /** Plugins that failed or hung while ending. */
  forced: { plugin: string; phase: Phase; error: string }[];
  /** Nothing was forced. */
  ok: boolean;
  durationMs: number;
}

/** Where a kernel stands. `ready`: prepared, not started. `failed`: its start failed, and what had begun has ended. */
export type KernelState = 'new' | 'ready' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';

/** One agent's plugins, from their set-up to their end. It starts once; a new start needs a new kernel. */
export interface Kernel {
  readonly state: KernelState;
  /** Takes messages from the end of `start` to the beginning of `stop`. */
  readonly inbox: Inbox & Required<Pick<Inbox, 'aside' | 'resume'>>;
  /** Validates options, orders the plugins and runs their `setup`, without any I/O of theirs. `start` does it too. */
  prepare(): Promise<void>;
  /**
   * Runs `init`, then `start`, in plugin order, and opens the inbox. Resolves when the agent is ready. On the first
   * failure what had begun is stopped in reverse order, and the error is thrown with later ones in `others`.
   */
  start(): Promise<void>;
  /**
   * Stops taking messages in, waits for those being handled, then ends each plugin in reverse order. A start under way ends
   * after the handler it is in. Never rejects; every wait has a deadline. Called again, it answers the same report.
   */
  stop(reason?: StopReason): Promise<StopReport>;
  /**
   * Hands one message to the inbox and waits for its end, retries included. Rejects with `E_KERNEL_STATE` when the inbox
   * cannot take it, and when the kernel stops first.
   */
  dispatch(message: ConduitMessage): Promise<DispatchResult>;
  /** What it is made of and has done so far, at any time. */
  describe(): KernelDescription;
  /** {@link stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Makes a kernel. Nothing runs before {@link Kernel.start}. It binds no signals and never exits the process. Throws
 * `E_CONFIG_INVALID` for an agent, inbox options or timeouts it could not work with.
 */
export function createKernel(config: KernelConfig): Kernel {
  return new PluginKernel(config);
}

type Ending = DrainReport & { reason: StopReason; forced: Forced[] };

class PluginKernel implements Kernel {
  state: KernelState = 'new';
  readonly inbox: KernelInbox;
  readonly #config: KernelConfig;
  readonly #agent: AgentConfig | undefined;
  readonly #logger: Logger;
  readonly #timeouts: Required<KernelTimeouts>;
  readonly #hooks = new Hooks();
  readonly #services = new Services();
  #hosts: PluginHost[] = [];
  #lifecycle: Lifecycle | undefined;
  #preparing: Promise<void> | undefined;
  #starting: Promise<void> | undefined;
  #stopReason: StopReason | undefined;
  #stopping: Promise<StopReport> | undefined;
  #ending: Promise<Ending> | undefined;
  /** Aborts when no message will be handled any more. */
  readonly #ended = new AbortController();

  constructor(config: KernelConfig) {
    const { agent, inbox, timeouts } = config;
    this.#agent = parseConfig({ agent, inbox, timeouts }, { label: '' }).agent;
    this.#config = config;
    this.#logger = config.logger ? redacting(config.logger) : warningsToConsole();
    this.#timeouts = timeoutsWithDefaults(timeouts);
    this.inbox = new KernelInbox(inbox);
  }

  prepare(): Promise<void> {
    if (this.#stopping) return Promise.reject(this.#tooLate('prepare'));
    this.#preparing ??= this.#prepare();
    return this.#preparing;
  }

  start(): Promise<void> {
    if (this.#starting || this.#stopping) return Promise.reject(this.#tooLate('start'));
    this.#starting = this.#start();
    return this.#starting;
  }

  stop(reason: StopReason = 'requested'): Promise<StopReport> {
    if (!this.#stopping) {
      this.state = 'stopping';
      this.inbox.close();
      this.#stopReason = reason;
      this.#stopping = this.#stop(reason);
    }
    return this.#stopping;
  }

  dispatch(message: ConduitMessage): Promise<DispatchResult> {
    return dispatch(this.inbox, message, this.#ended.signal);
  }

  describe(): KernelDescription {
    return {
      state: this.state,
      ...describePlugins(this.#hosts, this.#hooks),
      services: this.#services.list(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #prepare(): Promise<void> {
    for (const old of this.#config.oldNames ?? []) warnOfOldName(this.#logger, 'option', old);
    const planned = await plan(this.#config, {
      hooks: this.#hooks,
      services: this.#services,
      logger: this.#logger,
      inbox: this.inbox,
      agent: this.#agent,
      timeoutMs: this.#timeouts.initMs,
      onHandlersChanged: () => this.inbox.handlersChanged(),
      onBlocked: (plugin, ms) => this.inbox.blocked(plugin, ms),
    });
    this.#hosts = planned.map(({ host }) => host);
    // Known before the first `setup`: should a later one fail, what the earlier ones put up is taken down.
    this.#lifecycle = new Lifecycle(this.#hosts, this.#hooks, this.#timeouts, this.#logger);
    for (const { host, options } of planned) host.setup(options);
    if (this.state === 'new') this.state = 'ready';
  }

  async #start(): Promise<void> {
    this.state = 'starting';
    try {
      this.#preparing ??= this.#prepare();
      await this.#preparing;
      await this.#lifecycle!.init(() => this.#refuseIfStopping());
      this.#attachInbox();
      await this.#lifecycle!.start(() => this.#refuseIfStopping());
      this.#refuseIfStopping();
      this.state = 'running';
      this.inbox.open();
    } catch (error) {
      const { forced } = await this.#end(this.#stopReason ?? 'failed start');
      this.state = 'failed';
      if (KernelError.is(error)) error.others.push(...forced.map((one) => one.error));
      throw error;
    }
  }

  async #stop(wanted: StopReason): Promise<StopReport> {
    const started = performance.now();
    // Whatever became of it is thrown to whoever called it.
    await (this.#starting ?? this.#preparing)?.catch(() => {});
    const { reason, drained, released, forced } = await this.#end(wanted);
    this.state = 'stopped';
    return {
      reason,
      drained,
      released,
      forced: forced.map(({ plugin, phase, error }) => ({ plugin, phase, error: errorText(error) })),
      ok: forced.length === 0,
      durationMs: Math.round(performance.now() - started),
    };
  }

  /** Ends everything, once: a failed start does it, or a stop. */
  #end(reason: StopReason): Promise<Ending> {
    this.#ending ??= this.#endAll(reason);
    return this.#ending;
  }

  async #endAll(reason: StopReason): Promise<Ending> {
    this.state = 'stopping';
    const drain = await this.inbox.drain(this.#timeouts.drainMs);
    this.#ended.abort();
    return { reason, ...drain, forced: (await this.#lifecycle?.stop(reason)) ?? [] };
  }

  #refuseIfStopping(): void {
    if (this.#stopping)
      throw new KernelError('E_KERNEL_STATE', `stopped while starting: ${this.#stopReason}`, {
        phase: 'start',
      });
  }

  #tooLate(what: string): KernelError {
    return new KernelError('E_KERNEL_STATE', `${what}() was called on a kernel that is ${this.state}`, {
      hint: 'Make a new kernel with createKernel for each start.',
    });
  }

  /** After `init`: the transport is connected and the agent known. */
  #attachInbox(): void {
    const agent = this.#services.get(services.agent);
    const transport = this.#services.get(services.transport);
    const wanted = this.#agent?.id;
    if (wanted !== undefined && agent && agent.id !== wanted)
      throw new KernelError(
        'E_AGENT_MISMATCH',
        `the configuration names agent "${wanted}", the credential is of "${agent.id}"`,
        {
          hint: 'Name the same agent in both places, or in one only.',
        },
      );
    this.inbox.attach({
      hooks: this.#hooks,
      journal: this.#services.get(services.journal)!,
      journalProvider: this.#services.providerOf(services.journal),
      logger: this.#logger,
      messageTimeoutMs: this.#timeouts.messageMs,
      agentId: agent?.id ?? '',
      ack: async (ids, signal) => {
        await transport?.ack(ids, { signal });
      },
      outbox: async (_item, to, content, options) => {
        if (!transport)
          throw new KernelError(
            'E_SERVICE_MISSING',
            'nothing can be sent: no plugin provides the service "transport"',
            {
              phase: 'message',
              hint: 'Set "transport" in the configuration.',
            },
          );
        return transport.push(to, content, options);
      },
    });
  }
}
