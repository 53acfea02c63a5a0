import { CleoError, errorText, isThenable, type ServiceRef, withDeadline } from '@cleocode/contracts';
import { nearest } from './config/nearest.ts';
import { KernelError, type Phase } from './errors.ts';
import { Figures } from './figures.ts';
import { HOOK_NAMES, type HookEntry, type Hooks } from './hooks.ts';
import type { Logger } from './logger.ts';
import type { HookName, HookOptions, KernelHooks, Plugin, PluginContext } from './plugin.ts';
import { RENAMED_HOOKS, warnOfOldName } from './renamed.ts';
import type { Services } from './services.ts';
import { SupervisedTask } from './supervisor.ts';

/** What a plugin could not do in time or at all while it was being ended. */
export interface Forced {
  plugin: string;
  phase: Phase;
  error: unknown;
}

export interface HostParts {
  hooks: Hooks;
  services: Services;
  logger: Logger;
  onHandlersChanged(): void;
  /** A message handler of the plugin took so long to return. */
  onBlocked(plugin: string, ms: number): void;
}

/** One plugin of a running kernel: its context, and the ledger of everything it has put up and must take down. */
export class PluginHost {
  readonly name: string;
  /** In the resolved order, from 0. */
  readonly position: number;
  readonly plugin: Plugin;
  readonly logger: Logger;
  readonly tasks: SupervisedTask[] = [];
  /** Milliseconds spent in each phase. */
  readonly ms: Partial<Record<Phase, number>> = {};
  readonly figures: Figures;
  readonly #parts: HostParts;
  readonly #abort = new AbortController();
  readonly #defers: (() => void | Promise<void>)[] = [];
  /** How many it has ever added. */
  readonly #handlers: Partial<Record<HookName, number>> = {};
  /** Old names of hooks that it was told of. */
  readonly #warned = new Set<string>();
  #inSetup = false;
  #initialized = false;
  #disposed = false;

  constructor(name: string, plugin: Plugin, position: number, parts: HostParts) {
    this.name = name;
    this.plugin = plugin;
    this.logger = parts.logger.child({ plugin: this.name });
    this.#parts = parts;
    this.position = position;
    this.figures = new Figures((ms) => parts.onBlocked(name, ms));
  }

  /** Runs the plugin's `setup` with its validated options and the services it asked for. */
  setup(options: unknown): void {
    const { definition } = this.plugin;
    const started = performance.now();
    this.#inSetup = true;
    try {
      const result: unknown = definition.setup(this.#context(), options, this.#deps() as never);
      if (isThenable(result)) {
        result.then(undefined, (error) => this.logger.error('setup rejected', { error: errorText(error) }));
        throw new KernelError('E_PLUGIN_INVALID', `${this.name}: setup returned a promise`, {
          plugin: this.name,
          phase: 'setup',
          hint: 'setup only declares; open connections and files in an init handler.',
        });
      }
    } catch (error) {
      throw blame(error, this.name, 'setup');
    } finally {
      this.#inSetup = false;
      this.ms.setup = performance.now() - started;
    }
    for (const ref of definition.provides ?? [])
      if (!this.#parts.services.has(ref))
        throw new KernelError(
          'E_SERVICE_MISSING',
          `${this.name} declares the service "${ref.id}" but did not provide it`,
          {
            plugin: this.name,
            phase: 'setup',
            hint: `Call ctx.provide for "${ref.id}" in setup, or take it out of "provides".`,
          },
        );
  }

  /** Every `init` handler ran to its end: its `stop` handlers are owed. */
  get initialized(): boolean {
    return this.#initialized;
  }

  markInitialized(): void {
    this.#initialized = true;
  }

  /** Tells the plugin that its end has come, before its `stop` handlers run. */
  abort(reason: string): void {
    this.#abort.abort(new Error(`${this.name} is being stopped: ${reason}`));
  }

  /** After the `stop` handlers: waits for the tasks, then runs what was deferred, last first; each within `timeoutMs`. */
  async dispose(timeoutMs: number): Promise<Forced[]> {
    const forced: Forced[] = [];
    const attempt = async (what: string, work: () => PromiseLike<void> | void): Promise<void> => {
      try {
        await withDeadline(Promise.resolve().then(work), timeoutMs, () => this.#late(what, timeoutMs));
      } catch (error) {
        forced.push({ plugin: this.name, phase: 'stop', error: blame(error, this.name, 'stop') });
      }
    };
    await Promise.all(this.tasks.map((task) => attempt(`task "${task.name}"`, () => task.ended)));
    this.#disposed = true;
    for (const dispose of this.#defers.splice(0).reverse()) await attempt('a deferred clean-up', dispose);
    return forced;
  }

  /** A handler that outlived its deadline may still open something: what it defers now has no later moment to run. */
  async #disposeLate(dispose: () => void | Promise<void>): Promise<void> {
    try {
      await dispose();
    } catch (error) {
      this.logger.error('a late clean-up failed', { error: errorText(error) });
    }
  }

  #late(what: string, ms: number): KernelError {
    return new KernelError(
      'E_PLUGIN_TIMEOUT',
      `${this.name}: ${what} did not end within ${ms} ms of the stop`,
      {
        plugin: this.name,
        phase: 'stop',
        hint: 'Watch the signal it is given, and bound every wait.',
      },
    );
  }

  #context(): PluginContext {
    const host = this;
    return {
      plugin: this.name,
      logger: this.logger,
      signal: this.#abort.signal,
      on(hook, handler, options) {
        return host.#on(hook, handler, options ?? {});
      },
      provide(ref, implementation) {
        host.#provide(ref, implementation);
      },
      defer(dispose) {
        if (host.#disposed) void host.#disposeLate(dispose);
        else host.#defers.push(dispose);
      },
      task(name, work) {
        if (host.#inSetup)
          throw new KernelError('E_KERNEL_STATE', `${host.name}: task "${name}" was started in setup`, {
            plugin: host.name,
            phase: 'setup',
            hint: 'Start tasks in an init or start handler.',
          });
        // One that has ended makes way for its successor, so that the list stays as long as what runs.
        const ended = host.tasks.findIndex((task) => task.name === name && task.state === 'ended');
        if (ended >= 0) host.tasks.splice(ended, 1);
        const task = new SupervisedTask(name, work, host.#abort.signal, host.logger);
        host.tasks.push(task);
        return { start: () => host.#startAgain(task), stop: () => task.stop() };
      },
    };
  }

  #startAgain(task: SupervisedTask): void {
    if (this.#abort.signal.aborted)
      throw new KernelError(
        'E_KERNEL_STATE',
        `${this.name}: "${task.name}" cannot start again: the kernel has been stopped`,
        { plugin: this.name, phase: 'stop', hint: 'Make a new kernel for another start.' },
      );
    if (!this.tasks.includes(task)) this.tasks.push(task);
    task.start();
  }

  #on<H extends HookName>(name: H, handler: KernelHooks[H], { order, timeoutMs }: HookOptions): () => void {
    const hook = this.#hookCalled(name);
    const begun = this.#parts.hooks.tooLate(hook);
    if (begun)
      throw new KernelError(
        'E_KERNEL_STATE',
        `${this.name}: a handler for "${hook}" was added after "${begun}" had begun`,
        {
          plugin: this.name,
          hint: `Add "${hook}" handlers in setup.`,
        },
      );
    this.#handlers[hook] = (this.#handlers[hook] ?? 0) + 1;
    const entry: HookEntry = {
      plugin: this.name,
      hook,
      band: order ?? 'normal',
      nth: this.#handlers[hook],
      handler: hook === 'message' ? this.figures.observing(handler) : handler,
      timeoutMs,
      failed: () => this.figures.failed(),
      active: true,
    };
    const remove = this.#parts.hooks.add(entry, this.position);
    if (hook === 'message') this.#parts.onHandlersChanged();
    return remove;
  }

  /** The hook by the name it has now. A plugin in JavaScript may write anything. */
  #hookCalled(name: string): HookName {
    const renaming = Object.hasOwn(RENAMED_HOOKS, name) ? RENAMED_HOOKS[name] : undefined;
    if (renaming && !this.#warned.has(name)) {
      this.#warned.add(name);
      warnOfOldName(this.logger, 'hook', { from: name, ...renaming });
    }
    const hook = HOOK_NAMES.find((one) => one === (renaming?.to ?? name));
    if (hook) return hook;
    const near = nearest(String(name), HOOK_NAMES);
    throw new KernelError('E_PLUGIN_INVALID', `${this.name}: there is no hook "${name}"`, {
      plugin: this.name,
      ...(this.#inSetup && { phase: 'setup' }),
      hint: near ? `Did you mean "${near}"?` : `The hooks are ${HOOK_NAMES.join(', ')}.`,
    });
  }

  #provide(ref: ServiceRef<unknown>, implementation: unknown): void {
    const declared = this.plugin.definition.provides?.some(({ id }) => id === ref.id);
    if (!this.#inSetup || !declared)
      throw new KernelError(
        'E_SERVICE_UNDECLARED',
        `${this.name} provides the service "${ref.id}" ${declared ? 'outside setup' : 'without declaring it'}`,
        {
          plugin: this.name,
          phase: 'setup',
          hint: declared ? 'Call ctx.provide in setup.' : `Add "${ref.id}" to the plugin's "provides".`,
        },
      );
    this.#parts.services.provide(this.name, ref, implementation);
  }

  #deps(): Record<string, unknown> {
    const { requires = {}, optional = {}, late = {} } = this.plugin.definition;
    const { services } = this.#parts;
    const now = Object.entries({ ...requires, ...optional }) as [string, ServiceRef<unknown>][];
    const later = Object.entries(late) as [string, ServiceRef<unknown>][];
    return Object.fromEntries([
      ...now.map(([key, ref]) => [key, services.get(ref)]),
      ...later.map(([key, ref]) => [key, () => services.get(ref)]),
    ]);
  }
}

/** The same error when it already names a plugin, else a `KernelError` that does. */
export function blame(error: unknown, plugin: string, phase: Phase): KernelError {
  if (KernelError.is(error) && error.plugin) return error;
  return new KernelError('E_PLUGIN_FAILED', `${plugin} failed in ${phase}: ${errorText(error)}`, {
    plugin,
    phase,
    cause: error,
    // What helps against the one helps against the other.
    hint:
      (CleoError.is(error) ? error.hint : undefined) ??
      (phase === 'stop'
        ? `Everything else has ended. Tell whoever makes ${plugin}.`
        : `See what it misses. To start without it, take ${plugin} out of the plugins.`),
  });
}
