import {
  type ConduitMessage,
  errorText,
  type Inbox,
  messageKey,
  services,
  type Transport,
} from '@cleocode/contracts';
import type { AgentConfig, KernelTimeouts } from './config/types.ts';
import { describePlugins, type KernelDescription } from './describe.ts';
import { KernelError, type Phase } from './errors.ts';
import { Hooks } from './hooks.ts';
import { type DrainReport, KernelInbox } from './inbox/inbox.ts';
import type { InboxOptions } from './inbox/options.ts';
import { Lifecycle } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import type { HookName, Plugin, StopReason } from './plugin.ts';
import type { Forced, PluginHost } from './plugin-host.ts';
import { Services } from './services.ts';
import { setUp } from './set-up.ts';
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
}

export interface StopReport {
  reason: StopReason;
  /** Every message that was being handled finished. */
  drained: boolean;
  /** Messages given up at the drain deadline; they come again at the next start. */
  released: { messageId: string }[];
  /** Plugins that failed or hung while ending. */
  forced: { plugin: string; phase: Phase; error: string }[];
  /** Nothing was forced. */
  ok: boolean;
  durationMs: number;
}

export type DispatchResult =
  | { status: 'done' }
  /** A handler dropped it on purpose. */
  | { status: 'dropped'; plugin: string; reason: string }
  | { status: 'dead'; error: string; attempts: number };

export type KernelState = 'new' | 'ready' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';

export interface Kernel {
  readonly state: KernelState;
  readonly inbox: Inbox;
  /** Validates options, orders the plugins and runs their `setup`, without any I/O of theirs. `start` does it too. */
  prepare(): Promise<void>;
  /**
   * Runs `init`, then `start`, in plugin order, and opens the inbox. Resolves when the agent is ready. On the first
   * failure what had begun is stopped in reverse order, and the error is thrown with later ones in `others`.
   */
  start(): Promise<void>;
  /**
   * Stops taking messages in, waits for those being handled, then ends each plugin in reverse order. Never rejects; every
   * wait has a deadline. Called again, it answers the same report.
   */
  stop(reason?: StopReason): Promise<StopReport>;
  /** Hands one message to the inbox and waits for its end, retries included. Rejects when the inbox cannot take it. */
  dispatch(message: ConduitMessage): Promise<DispatchResult>;
  describe(): KernelDescription;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Makes a kernel. Nothing runs before {@link Kernel.start}. It binds no signals and never exits the process. */
export function createKernel(config: KernelConfig): Kernel {
  return new PluginKernel(config);
}

class PluginKernel implements Kernel {
  state: KernelState = 'new';
  readonly inbox: KernelInbox;
  readonly #config: KernelConfig;
  readonly #logger: Logger;
  readonly #timeouts: Required<KernelTimeouts>;
  readonly #hooks = new Hooks();
  readonly #services = new Services();
  #hosts: PluginHost[] = [];
  #lifecycle: Lifecycle | undefined;
  #preparing: Promise<void> | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<StopReport> | undefined;

  constructor(config: KernelConfig) {
    this.#config = config;
    this.#logger = config.logger ?? warningsToConsole();
    this.#timeouts = timeoutsWithDefaults(config.timeouts);
    this.inbox = new KernelInbox(config.inbox);
  }

  prepare(): Promise<void> {
    this.#preparing ??= this.#prepare();
    return this.#preparing;
  }

  start(): Promise<void> {
    if (this.#starting || this.#stopping)
      return Promise.reject(
        new KernelError('E_KERNEL_STATE', `start() was called on a kernel that is ${this.state}`, {
          hint: 'Make a new kernel with createKernel for each start.',
        }),
      );
    this.#starting = this.#start();
    return this.#starting;
  }

  stop(reason: StopReason = 'requested'): Promise<StopReport> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  dispatch(message: ConduitMessage): Promise<DispatchResult> {
    return new Promise((resolve, reject) => {
      const key = messageKey(message);
      const stopObserving = this.inbox.observe((event) => {
        if (!('message' in event) || typeof event.message === 'string' || messageKey(event.message) !== key)
          return;
        if (event.type === 'done') settle({ status: 'done' });
        if (event.type === 'dropped')
          settle({ status: 'dropped', plugin: event.plugin, reason: event.reason });
        if (event.type === 'dead') settle({ status: 'dead', error: event.error, attempts: event.attempts });
      });
      const settle = (result: DispatchResult): void => {
        stopObserving();
        resolve(result);
      };
      const { accepted } = this.inbox.receive([message], { name: 'dispatch', ackable: false });
      if (accepted === 1) return;
      stopObserving();
      reject(
        new KernelError(
          'E_KERNEL_STATE',
          `the inbox did not take message ${message.id} (kernel is ${this.state})`,
          {
            hint: 'Start the kernel first, and wait for room with inbox.waitForRoom.',
          },
        ),
      );
    });
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
    this.#hosts = await setUp(this.#config, {
      hooks: this.#hooks,
      services: this.#services,
      logger: this.#logger,
      inbox: this.inbox,
      accepts: (hook) => this.#accepts(hook),
      onHandlersChanged: () => this.inbox.handlersChanged(),
    });
    this.#lifecycle = new Lifecycle(this.#hosts, this.#hooks, this.#timeouts, this.#logger);
    this.state = 'ready';
  }

  async #start(): Promise<void> {
    try {
      await this.prepare();
      this.state = 'starting';
      await this.#lifecycle!.init(() => this.#refuseIfStopping());
      this.#attachInbox();
      await this.#lifecycle!.start(() => this.#refuseIfStopping());
      this.#refuseIfStopping();
      this.state = 'running';
      this.inbox.open();
    } catch (error) {
      const { forced } = await this.#end('failed start');
      this.state = 'failed';
      if (KernelError.is(error)) error.others.push(...forced.map((one) => one.error));
      throw error;
    }
  }

  async #stop(reason: StopReason): Promise<StopReport> {
    const started = performance.now();
    const failed = await this.#starting?.then(
      () => false,
      () => true,
    );
    const { drained, released, forced } = failed
      ? { drained: true, released: [], forced: [] }
      : await this.#end(reason);
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

  async #end(reason: StopReason): Promise<DrainReport & { forced: Forced[] }> {
    this.state = 'stopping';
    const drain = await this.inbox.drain(this.#timeouts.drainMs);
    return { ...drain, forced: (await this.#lifecycle?.stop(reason)) ?? [] };
  }

  #refuseIfStopping(): void {
    if (this.#stopping) throw new KernelError('E_KERNEL_STATE', 'stopped while starting', { phase: 'start' });
  }

  /** After `init`: the transport is connected and the agent known. */
  #attachInbox(): void {
    const agent = this.#services.get(services.agent);
    const transport = this.#services.get(services.transport);
    const wanted = typeof this.#config.agent === 'object' ? this.#config.agent.id : this.#config.agent;
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
      logger: this.#logger,
      messageTimeoutMs: this.#timeouts.messageMs,
      agentId: agent?.id ?? '',
      ack: async (ids, signal) => {
        await transport?.ack(ids, { signal });
      },
      outbox: async (to, content, options) => {
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

  #accepts(hook: HookName): boolean {
    if (hook === 'init') return this.state === 'new';
    if (hook === 'start') return this.state === 'new' || this.state === 'starting';
    return this.state !== 'stopping' && this.state !== 'stopped';
  }
}
