import { errorText, withDeadline } from '@cleocode/contracts';
import type { KernelTimeouts } from './config/types.ts';
import { KernelError } from './errors.ts';
import type { HookEntry, HookRun, Hooks } from './hooks.ts';
import type { Logger } from './logger.ts';
import type { StopReason } from './plugin.ts';
import { blame, type Forced, type PluginHost } from './plugin-host.ts';

type Phase = 'init' | 'start' | 'stop';

/** Runs `init`, `start` and `stop` over the plugins: who is called, how long they may take, who is to blame. */
export class Lifecycle {
  readonly #hosts: ReadonlyMap<string, PluginHost>;
  readonly #hooks: Hooks;
  readonly #timeouts: Required<KernelTimeouts>;
  readonly #logger: Logger;

  constructor(
    hosts: readonly PluginHost[],
    hooks: Hooks,
    timeouts: Required<KernelTimeouts>,
    logger: Logger,
  ) {
    this.#hosts = new Map(hosts.map((host) => [host.name, host]));
    this.#hooks = hooks;
    this.#timeouts = timeouts;
    this.#logger = logger;
    for (const host of hosts)
      hooks.add(
        internal(host, 'init', 'last', () => host.markInitialized()),
        host.position,
      );
  }

  /** In plugin order; `check` runs before each handler of a plugin and may throw. The first failure ends it. */
  init(check: () => void): Promise<void> {
    return this.#forward('init', check);
  }

  /** As {@link init}, for the `start` handlers. */
  start(check: () => void): Promise<void> {
    return this.#forward('start', check);
  }

  /**
   * Ends every plugin in reverse order: its signal aborts, its `stop` handlers run (when its `init` had finished), its
   * tasks are awaited, its deferred clean-ups run. What fails or hangs is noted, and the rest goes on. Never rejects.
   */
  async stop(reason: StopReason): Promise<Forced[]> {
    const forced: Forced[] = [];
    for (const host of this.#hosts.values()) {
      const dispose = async () => void forced.push(...(await host.dispose(this.#timeouts.stopMs)));
      this.#hooks.add(
        internal(host, 'stop', 'first', () => host.abort(reason)),
        host.position,
      );
      this.#hooks.add(internal(host, 'stop', 'last', dispose), host.position);
    }
    const run: HookRun = {
      invoke: async (entry) => {
        const owed = entry.internal || this.#hosts.get(entry.plugin)!.initialized;
        if (!owed || !entry.active) return;
        try {
          await this.#call(entry, 'stop', reason);
        } catch (error) {
          forced.push({ plugin: entry.plugin, phase: 'stop', error });
        }
      },
    };
    await this.#hooks.run('stop', reason, run);
    for (const { plugin, error } of forced)
      this.#logger.error('a plugin did not end cleanly', {
        plugin,
        error: errorText(error),
        hint: (error as KernelError).hint,
      });
    return forced;
  }

  #forward(phase: 'init' | 'start', check: () => void): Promise<void> {
    const run: HookRun = {
      invoke: async (entry) => {
        // A plugin whose `init` has finished is noted even when a stop came meanwhile: it is owed its `stop`.
        if (!entry.internal) check();
        if (!entry.active) return;
        await this.#call(entry, phase);
      },
    };
    return this.#hooks.run(phase, undefined, run);
  }

  /** Calls one handler within its deadline and puts the plugin's name on what goes wrong. */
  async #call(entry: HookEntry, phase: Phase, argument?: unknown): Promise<void> {
    const { plugin } = entry;
    const host = this.#hosts.get(plugin)!;
    const work = Promise.resolve().then(() => entry.handler(argument as never));
    // The kernel's own steps bound each of their waits themselves.
    if (entry.internal) return void (await work);
    const ms = entry.timeoutMs ?? this.#timeouts[`${phase}Ms`];
    const started = performance.now();
    try {
      await withDeadline(work, ms, () => hookTimeout(plugin, phase, ms));
    } catch (error) {
      throw blame(error, plugin, phase);
    } finally {
      host.ms[phase] = (host.ms[phase] ?? 0) + performance.now() - started;
    }
  }
}

function internal(
  { name: plugin }: PluginHost,
  hook: 'init' | 'stop',
  band: 'first' | 'last',
  handler: () => unknown,
): HookEntry {
  return { plugin, hook, band, nth: 0, handler, timeoutMs: undefined, internal: true, active: true };
}

function hookTimeout(plugin: string, phase: Phase, ms: number): KernelError {
  return new KernelError('E_PLUGIN_TIMEOUT', `${plugin} did not finish ${phase} within ${ms} ms`, {
    plugin,
    phase,
    hint: `Look at what ${plugin} waits for, or raise timeouts.${phase}Ms.`,
  });
}
