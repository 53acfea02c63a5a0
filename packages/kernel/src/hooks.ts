import { AsyncSeriesHook } from 'tapable';
import type { HookName } from './plugin.ts';

export const HOOK_NAMES = ['init', 'start', 'message', 'stop'] as const satisfies HookName[];

/** `first` and `last` are the kernel's own, around what a plugin adds. */
const BANDS = { first: 0, pre: 1, normal: 2, post: 3, last: 4 } as const;

export type Band = keyof typeof BANDS;

export interface HookEntry {
  readonly plugin: string;
  readonly hook: HookName;
  readonly band: Band;
  /** Its number among the plugin's handlers of this hook, from 1: tells apart what two handlers of one plugin send. */
  readonly nth: number;
  readonly handler: (argument: never) => unknown;
  /** The handler's own deadline, where it named one. */
  readonly timeoutMs: number | undefined;
  /** Hears of each message that it failed. */
  readonly failed?: () => void;
  /** The kernel's own: not the plugin's to answer for. */
  readonly internal?: boolean;
  /** Turned off by the function that `on` returned; a run that has begun skips it. */
  active: boolean;
}

/** Decides how one pass over a hook calls its handlers. A rejection ends the pass. */
export interface HookRun {
  invoke(entry: HookEntry, argument: unknown): Promise<void>;
}

type Carrier = AsyncSeriesHook<[unknown, HookRun], { entry: HookEntry }>;

interface Placed {
  entry: HookEntry;
  /** Tapable's `stage`: smaller runs first, equal keeps the order of registration. */
  stage: number;
}

/**
 * The four lifecycle hooks, carried by tapable and hidden behind this facade: each handler is tapped with `tapPromise`, and
 * one `register` interceptor puts the run's policy (blame, deadline, containment) around it.
 */
export class Hooks {
  readonly #placed: Record<HookName, Placed[]> = { init: [], start: [], message: [], stop: [] };
  readonly #carriers: Partial<Record<HookName, Carrier>> = {};
  readonly #begun = new Set<HookName>();
  /** Asked for every message: looked up once per change. */
  #handlesMessages: boolean | undefined;

  /** Adds a handler of the plugin at `position` in the resolved order; returns the function that takes it away. */
  add(entry: HookEntry, position: number): () => void {
    const placed = { entry, stage: stageOf(entry.hook, position, BANDS[entry.band]) };
    this.#placed[entry.hook].push(placed);
    this.#changed(entry.hook);
    return () => {
      if (!entry.active) return;
      entry.active = false;
      this.#placed[entry.hook] = this.#placed[entry.hook].filter((other) => other !== placed);
      this.#changed(entry.hook);
    };
  }

  entries(hook: HookName): HookEntry[] {
    return this.#placed[hook].map(({ entry }) => entry);
  }

  /** Whether some plugin handles messages; one that only looks at them first (`pre`) does not. */
  get handlesMessages(): boolean {
    this.#handlesMessages ??= this.#placed.message.some(({ entry }) => entry.band !== 'pre');
    return this.#handlesMessages;
  }

  /** Which hook has begun that makes it too late to add a handler for `hook`, if any. */
  tooLate(hook: HookName): HookName | undefined {
    const last = hook === 'message' ? 'stop' : hook;
    return this.#begun.has(last) ? last : undefined;
  }

  /** One pass over the handlers of `hook`, in order, each awaited. */
  run(hook: HookName, argument: unknown, run: HookRun): Promise<void> {
    if (hook !== 'message') this.#begun.add(hook);
    this.#carriers[hook] ??= this.#build(hook);
    return this.#carriers[hook].promise(argument, run);
  }

  #changed(hook: HookName): void {
    delete this.#carriers[hook];
    this.#handlesMessages = undefined;
  }

  /** Tapable cannot untap, so a changed set of handlers is a new hook; a pass under way keeps the one it began with. */
  #build(hook: HookName): Carrier {
    const carrier: Carrier = new AsyncSeriesHook(['argument', 'run'], hook);
    carrier.intercept({
      register: (tap) => {
        const { entry } = tap as typeof tap & { entry: HookEntry };
        return { ...tap, fn: (argument: unknown, run: HookRun) => run.invoke(entry, argument) };
      },
    });
    for (const { entry, stage } of this.#placed[hook])
      carrier.tapPromise({ name: entry.plugin, stage, entry }, async () => {});
    return carrier;
  }
}

/** Messages go by band, then plugin. In the other hooks a plugin begins and ends as one: by plugin, then band. */
function stageOf(hook: HookName, position: number, band: number): number {
  const PLUGINS = 10_000;
  if (hook === 'message') return band * PLUGINS + position;
  return band + 5 * (hook === 'stop' ? -position : position);
}
