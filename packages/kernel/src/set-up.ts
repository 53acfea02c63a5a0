import { type Inbox, type ServiceRef, services } from '@cleocode/contracts';
import { isDefinition } from './config/describe-value.ts';
import { isTransport } from './config/schema.ts';
import type { AgentConfig } from './config/types.ts';
import { KernelError } from './errors.ts';
import { orderPlugins } from './graph.ts';
import { MemoryJournal } from './inbox/memory-journal.ts';
import type { KernelConfig } from './kernel.ts';
import { validateOptions } from './options.ts';
import { packageVersion } from './package-version.ts';
import { API_VERSION, isPlugin, isPluginFactory, type Plugin, type PluginDefinition } from './plugin.ts';
import { type HostParts, PluginHost } from './plugin-host.ts';
import { warnOfOldName } from './renamed.ts';
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

/** A plugin in its place, with its options as its schema made them; only its `setup` has not run yet. */
export interface Planned {
  host: PluginHost;
  options: unknown;
}

export interface PlanParts extends HostParts {
  inbox: Inbox;
  /** The agent of the configuration, used where no plugin provides one. */
  agent: AgentConfig | undefined;
  /** For the check of one plugin's options, in milliseconds. */
  timeoutMs: number;
}

/** From a configuration to plugins in order, each with its options checked. Runs nothing of theirs. */
export async function plan(
  config: Pick<KernelConfig, 'transport' | 'plugins'>,
  parts: PlanParts,
): Promise<Planned[]> {
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
  if (parts.agent !== undefined && !provides(services.agent))
    parts.services.provide(KERNEL, services.agent, staticAgent(parts.agent));
  const builtin = parts.services.list().map(({ id }) => id);
  refuseReplacing(candidates, builtin);
  const ordered = orderPlugins(candidates, builtin);
  const planned: Planned[] = [];
  for (const [position, { name, plugin, place }] of ordered.entries()) {
    const host = new PluginHost(name, plugin, position, parts);
    const options = await validateOptions(plugin, place, parts.timeoutMs, (old) =>
      warnOfOldName(host.logger, 'option', old),
    );
    planned.push({ host, options });
  }
  return planned;
}

function candidatesOf({ transport, plugins = [] }: Pick<KernelConfig, 'transport' | 'plugins'>): Candidate[] {
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
        : isDefinition(plugin)
          ? 'It is a definition: give it to definePlugin, and call what that returns.'
          : 'Use what definePlugin returned, called with its options.',
    });
  checkVersion(plugin.definition, place);
  const { name, setup, requires, optional, late, provides } = plugin.definition;
  if (typeof name !== 'string' || name === '' || typeof setup !== 'function')
    throw new KernelError(
      'E_PLUGIN_INVALID',
      `${place}: the definition lacks its name or its setup function`,
      {
        phase: 'setup',
        hint: 'definePlugin takes { name, version, apiVersion, setup, … }.',
      },
    );
  for (const [list, refs] of Object.entries({ requires, optional, late, provides }))
    for (const [key, ref] of Object.entries((refs ?? {}) as Record<string, unknown>))
      if (typeof (ref as ServiceRef<unknown> | undefined)?.id !== 'string')
        throw new KernelError('E_PLUGIN_INVALID', `${place} (${name}): ${list}.${key} is not a service`, {
          plugin: name,
          phase: 'setup',
          hint: 'Use a token that defineService made; look for a misspelt name.',
        });
}

/** First of all: what else the definition of another interface may hold, nobody knows. */
function checkVersion({ name, version, apiVersion }: PluginDefinition, place: string): void {
  if (apiVersion === API_VERSION) return;
  const known = typeof name === 'string' && name !== '';
  const who = known ? `${name}${typeof version === 'string' ? ` ${version}` : ''}` : place;
  const kernel = packageVersion(import.meta.url);
  const refused = (message: string, hint: string) =>
    new KernelError('E_PLUGIN_API_VERSION', message, {
      ...(known && { plugin: name }),
      phase: 'setup',
      hint,
      details: { apiVersion, spoken: API_VERSION, kernel },
    });
  const here = `this kernel (${kernel}) speaks ${API_VERSION}`;
  if (!Number.isInteger(apiVersion))
    throw refused(
      `${who} does not say which plugin API it is written for, ${here}`,
      `Whoever made it adds "apiVersion: ${API_VERSION}" to its definition, a number.`,
    );
  throw refused(
    `${who} is written for plugin API ${apiVersion}, ${here}`,
    apiVersion > API_VERSION
      ? `Install a newer @cleocode/kernel, or a version of ${who} for plugin API ${API_VERSION}.`
      : `Install a newer version of ${known ? name : who}, for plugin API ${API_VERSION}.`,
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
