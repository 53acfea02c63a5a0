import type { ConduitMessage, ServiceOf, ServiceRef } from '@cleocode/contracts';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { Logger } from './logger.ts';
import type { Renamings } from './renamed.ts';

const brand = Symbol.for('@cleocode/plugin');

/** The plugin interface this kernel speaks. A plugin for another one is refused. */
export const API_VERSION = 1;

/** Why the kernel stops; any short word. The kernel's own: `requested`, `failed start`. */
export type StopReason = string;

/** What a message handler gets. */
export interface Delivery {
  readonly message: ConduitMessage;
  /** Counts from 1; above 1 the message may have been handled in part before. */
  readonly attempt: number;
  /** What brought the message: `poll`, `push`, … */
  readonly source: string;
  /** Answers in a row that led to the message, as far as they count; what is sent meanwhile has one more. */
  readonly hops?: number;
  /** Aborts at the handler's deadline and when a stop no longer waits. */
  readonly signal: AbortSignal;
  /**
   * Answers where the message came from: its group, or its sender. Sent again by a later attempt, it is stored once.
   * Resolves when the backend has it.
   */
  reply(content: string): Promise<{ messageId: string }>;
  /** Sends to another agent. Sent again by a later attempt, it is stored once. */
  send(to: string, content: string): Promise<{ messageId: string }>;
  /** Ends this message here, on purpose: later handlers do not see it, it is acked, and it is not a dead letter. */
  drop(reason: string): void;
}

/** The lifecycle. Each hook runs its handlers one after another and waits for each. */
export interface KernelHooks {
  /**
   * In plugin order. Open what you need; the services you require are ready. A failure rolls the start back: `stop` runs for
   * the plugins whose `init` finished, what was deferred runs for all.
   */
  init(): unknown;
  /** In plugin order, after every `init`. Begin to work. A failure rolls the start back. */
  start(): unknown;
  /**
   * In plugin order, for each message. Resolving means: handled, it may be acked. Throwing means: try this handler again
   * later; a `PermanentError` means: never. Each handler is contained: it neither stops nor fails the others.
   */
  message(delivery: Delivery): unknown;
  /** In reverse plugin order, where `init` had finished. Every handler runs, even after one failed. */
  stop(reason: StopReason): unknown;
}

/** `init`, `start`, `message` or `stop`. */
export type HookName = keyof KernelHooks;

/** When a handler runs, and for how long. */
export interface HookOptions {
  /**
   * For `message`: before (`pre`) or after (`post`) the handlers of all plugins that say nothing; inside a band plugin
   * order holds. A `pre` handler looks first and may drop; messages wait until a plugin without it handles them. For the
   * other hooks it orders the plugin's own handlers: plugins begin and end one by one.
   */
  order?: 'pre' | 'post';
  /** This handler's deadline in milliseconds, instead of the kernel's for this hook. */
  timeoutMs?: number;
}

/** A plugin's hand on the kernel. Everything registered here ends with the plugin. */
export interface PluginContext {
  /** The plugin's own name. */
  readonly plugin: string;
  /** Names the plugin in each line. */
  readonly logger: Logger;
  /** Aborts when this plugin is being stopped, before its `stop` handlers run. */
  readonly signal: AbortSignal;
  /**
   * Adds a handler; returns the function that takes it away. `init`, `start` and `stop` take handlers until they begin, `message`
   * until the stop; later it throws `E_KERNEL_STATE`.
   */
  on<H extends HookName>(hook: H, handler: KernelHooks[H], options?: HookOptions): () => void;
  /** Gives the service to the plugins that need it. Only in `setup`, only what `provides` declares. */
  provide<T>(ref: ServiceRef<T>, implementation: NoInfer<T>): void;
  /** Runs at the plugin's end, last added first, after its `stop` handlers and tasks; at once when that is over. */
  defer(dispose: () => void | Promise<void>): void;
  /**
   * Runs `work` now, beside everything else, until it resolves or `signal` aborts. It is awaited at the plugin's end.
   * When it throws, the kernel reports it and starts it anew with backoff (1 s doubling to 30 s, with jitter; from 1 s again
   * after more than 30 s without trouble).
   */
  task(name: string, work: (signal: AbortSignal) => Promise<void>): Task;
}

/** Background work in a plugin's hand: a service may let others pause it. */
export interface Task {
  /** Begins the work again, after a stop under way. Does nothing while it runs; throws `E_KERNEL_STATE` at the plugin's end. */
  start(): void;
  /** Aborts the signal of the work; resolves when it has ended. Never rejects. */
  stop(): Promise<void>;
}

type Refs = Record<string, ServiceRef<unknown>>;

/**
 * What `setup` is given of the services: those required, those that are optional or `undefined`, and a function for each late
 * one.
 */
export type Deps<Requires extends Refs, Optional extends Refs, Late extends Refs = Record<never, never>> = {
  readonly [K in keyof Requires]: ServiceOf<Requires[K]>;
} & { readonly [K in keyof Optional]: ServiceOf<Optional[K]> | undefined } & {
  readonly [K in keyof Late]: () => ServiceOf<Late[K]> | undefined;
};

/** A plugin as its author writes it down. */
export interface PluginDefinition<
  Input = unknown,
  Output = Input,
  Requires extends Refs = Refs,
  Optional extends Refs = Refs,
  Late extends Refs = Refs,
> {
  /** The package name. */
  name: string;
  version: string;
  apiVersion: typeof API_VERSION;
  /** Any Standard Schema; zod's `strictObject` tells a user about a misspelt option. Without it, options are refused. */
  options?: StandardSchemaV1<Input, Output>;
  /**
   * Options that had another name in an earlier version: `{ every: { to: 'everyMs', since: '1.2.0' } }`. Who still writes the old
   * one is warned once, and the schema sees the new one. Both at once are refused.
   */
  renamedOptions?: Renamings;
  /** Services that must exist. */
  requires?: Requires;
  /** Services used when they exist. */
  optional?: Optional;
  /**
   * Services used when they exist, whatever the order: this plugin may begin before the one that provides them, and end after it.
   * Each is given as a function; ask it from `init` on.
   */
  late?: Late;
  /** Services this plugin gives in `setup`. */
  provides?: readonly ServiceRef<unknown>[];
  /** Declares handlers and services. Does no I/O: that belongs in `init`. */
  setup(ctx: PluginContext, options: Output, deps: Deps<Requires, Optional, Late>): void;
}

/** A plugin with its options, ready for the `plugins` of a configuration. */
export interface Plugin {
  readonly [brand]: true;
  // biome-ignore lint/suspicious/noExplicitAny: a list of plugins holds definitions of every type
  readonly definition: PluginDefinition<any, any, any, any, any>;
  readonly options: unknown;
}

/**
 * What a plugin package exports: called with options it gives the plugin for a configuration. It checks nothing; the start does.
 */
export interface PluginFactory<Input = unknown> {
  (options?: Input): Plugin;
  // biome-ignore lint/suspicious/noExplicitAny: see Plugin
  readonly definition: PluginDefinition<any, any, any, any, any>;
}

/** Turns a definition into the factory that a plugin package exports by default: `poller({ intervalMs: 5000 })`. */
export function definePlugin<
  Input,
  Output = Input,
  Requires extends Refs = Record<never, never>,
  Optional extends Refs = Record<never, never>,
  Late extends Refs = Record<never, never>,
>(definition: PluginDefinition<Input, Output, Requires, Optional, Late>): PluginFactory<Input> {
  const factory = (options?: Input): Plugin => Object.freeze({ [brand]: true as const, definition, options });
  return Object.assign(factory, { definition });
}

/** Whether a value is a plugin with its options, of this or another copy of the kernel. */
export function isPlugin(value: unknown): value is Plugin {
  return (
    typeof value === 'object' &&
    value !== null &&
    brand in value &&
    typeof (value as Partial<Plugin>).definition === 'object'
  );
}

/** Whether a value is what {@link definePlugin} returns: to be called with options. */
export function isPluginFactory(value: unknown): value is PluginFactory {
  return typeof value === 'function' && 'definition' in value;
}
