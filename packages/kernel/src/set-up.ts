import { type Inbox, type ServiceRef, services, type Transport } from '@cleocode/contracts';
import { KernelError } from './errors.ts';
import { orderPlugins } from './graph.ts';
import { MemoryJournal } from './inbox/memory-journal.ts';
import type { KernelConfig } from './kernel.ts';
import { validateOptions } from './options.ts';
import { API_VERSION, isPlugin, isPluginFactory, type Plugin } from './plugin.ts';
import { type HostParts, PluginHost } from './plugin-host.ts';
import { KERNEL } from './services.ts';
import { staticAgent } from './static-agent.ts';
import { transportPlugin } from './transport-plugin.ts';

interface Candidate {
  name: string;
  plugin: Plugin;
  /** Where it stands in the configuration, for errors. */
  place: string;
  requires: ServiceRef<unknown>[];
  optional: ServiceRef<unknown>[];
  provides: readonly ServiceRef<unknown>[];
}

/** From a configuration to plugins in order, each with its options checked and its `setup` run. */
export async function setUp(
  config: KernelConfig,
  parts: HostParts & { inbox: Inbox },
): Promise<PluginHost[]> {
  const candidates = candidatesOf(config);
  const provides = (ref: ServiceRef<unknown>) =>
    candidates.some((one) => one.provides.some(({ id }) => id === ref.id));
  parts.services.provide(KERNEL, services.inbox, parts.inbox);
  if (!provides(services.journal)) {
    parts.services.provide(KERNEL, services.journal, new MemoryJournal());
    parts.logger.info(
      'no plugin provides a journal: attempts and finished messages are remembered in memory only',
    );
  }
  if (config.agent !== undefined && !provides(services.agent)) {
    const identity = typeof config.agent === 'string' ? { id: config.agent } : config.agent;
    parts.services.provide(KERNEL, services.agent, staticAgent(identity));
  }
  const builtin = parts.services.list().map(({ id }) => id);
  refuseReplacing(candidates, builtin);
  const ordered = orderPlugins(candidates, builtin);
  const options = new Map<Candidate, unknown>();
  for (const one of ordered) options.set(one, await validateOptions(one.plugin, one.place));
  const hosts = ordered.map((one, position) => new PluginHost(one.name, one.plugin, position, parts));
  for (const [index, host] of hosts.entries()) host.setup(options.get(ordered[index]!));
  return hosts;
}

function candidatesOf({ transport, plugins = [] }: KernelConfig): Candidate[] {
  const placed: [Plugin, string][] = [];
  if (transport) placed.push([isTransport(transport) ? transportPlugin(transport) : transport, 'transport']);
  for (const [index, plugin] of plugins.entries()) if (plugin) placed.push([plugin, `plugins[${index}]`]);
  const seen = new Map<string, number>();
  return placed.map(([plugin, place]) => {
    check(plugin, place);
    const { name, requires = {}, optional = {}, provides = [] } = plugin.definition;
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return {
      // The same plugin may stand there twice with other options, such as two commands to run.
      name: times === 1 ? name : `${name}#${times}`,
      plugin,
      place,
      requires: Object.values(requires) as ServiceRef<unknown>[],
      optional: Object.values(optional) as ServiceRef<unknown>[],
      provides,
    };
  });
}

function check(plugin: unknown, place: string): asserts plugin is Plugin {
  if (!isPlugin(plugin))
    throw new KernelError('E_PLUGIN_INVALID', `${place} is not a plugin`, {
      phase: 'setup',
      hint: isPluginFactory(plugin)
        ? `Call it: ${place} is a plugin factory, as in poller({ intervalMs: 5000 }).`
        : 'Use what definePlugin returned, called with its options.',
    });
  const { name, apiVersion } = plugin.definition;
  if (apiVersion !== API_VERSION)
    throw new KernelError(
      'E_PLUGIN_API_VERSION',
      `${name} is written for plugin API ${apiVersion}, this kernel speaks ${API_VERSION}`,
      {
        plugin: name,
        phase: 'setup',
        hint: apiVersion > API_VERSION ? 'Upgrade @cleocode/kernel.' : `Install a newer version of ${name}.`,
      },
    );
}

function refuseReplacing(candidates: readonly Candidate[], builtin: readonly string[]): void {
  for (const one of candidates)
    for (const ref of one.provides)
      if (builtin.includes(ref.id))
        throw new KernelError(
          'E_SERVICE_DUPLICATE',
          `service "${ref.id}" is provided by both ${KERNEL} and ${one.name}`,
          {
            plugin: one.name,
            phase: 'setup',
            hint: `Remove ${one.name} from the plugins.`,
          },
        );
}

function isTransport(value: Plugin | Transport): value is Transport {
  return (
    typeof (value as Partial<Transport>).push === 'function' &&
    typeof (value as Partial<Transport>).poll === 'function'
  );
}
