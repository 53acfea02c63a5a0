import type { Phase } from './errors.ts';
import type { MessageFigures } from './figures.ts';
import { HOOK_NAMES, type Hooks } from './hooks.ts';
import type { KernelState } from './kernel.ts';
import type { HookName } from './plugin.ts';
import type { PluginHost } from './plugin-host.ts';

/** What a kernel is made of, and what it has spent its time on. */
export interface KernelDescription {
  state: KernelState;
  /** In resolved order. */
  plugins: {
    name: string;
    version: string;
    requires: string[];
    /** Late ones too. */
    optional: string[];
    provides: string[];
    hooks: Partial<Record<HookName, number>>;
    tasks: { name: string; state: string; restarts: number }[];
    /** Milliseconds spent per phase. */
    ms: Partial<Record<Phase, number>>;
    /** Of its message handlers; absent when it has none. */
    messages?: MessageFigures;
  }[];
  services: { id: string; provider: string }[];
  /** Some plugin handles messages; one that only looks at them first (`pre`) does not count. */
  handlesMessages: boolean;
}

export function describePlugins(
  hosts: readonly PluginHost[],
  hooks: Hooks,
): Pick<KernelDescription, 'plugins' | 'handlesMessages'> {
  return {
    handlesMessages: hooks.handlesMessages,
    plugins: hosts.map((host) => {
      const { version, requires = {}, optional = {}, late = {}, provides = [] } = host.plugin.definition;
      const own = HOOK_NAMES.flatMap((hook) => hooks.entries(hook)).filter(
        (one) => one.plugin === host.name && !one.internal,
      );
      const counts: Partial<Record<HookName, number>> = {};
      for (const { hook } of own) counts[hook] = (counts[hook] ?? 0) + 1;
      return {
        name: host.name,
        version,
        requires: idsOf(requires),
        optional: [...idsOf(optional), ...idsOf(late)],
        provides: idsOf(provides),
        hooks: counts,
        tasks: host.tasks.map(({ name, state, restarts }) => ({ name, state, restarts })),
        ms: { ...host.ms },
        ...(counts.message !== undefined && { messages: host.figures.messages }),
      };
    }),
  };
}

function idsOf(refs: object): string[] {
  return Object.values(refs).map((ref: { id: string }) => ref.id);
}
