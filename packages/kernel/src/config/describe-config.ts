import { maskSecrets } from '@cleocode/contracts';
import { withDefaults } from '../inbox/options.ts';
import { isPlugin, type Plugin } from '../plugin.ts';
import { resolveStateDir } from '../state-dir.ts';
import { timeoutsWithDefaults } from '../timeouts.ts';
import type { LoadedConfig } from './load.ts';

/** One value of a configuration, as it may be shown. */
export interface ConfigEntry {
  /** `inbox.concurrency`, `plugins[0]`, `plugins[0].intervalMs`. */
  path: string;
  /** Plain data with secrets masked; null where the choice is made at the start. A plugin's value is its name. */
  value: unknown;
  /** What decided it: the configuration file, the environment, or nobody. */
  origin: 'file' | 'env' | 'default';
}

/** Every option of a loaded configuration with its value and where that came from, in the order of the documentation. */
export function describeConfig(
  { config }: LoadedConfig,
  env: NodeJS.ProcessEnv = process.env,
  cwd: string = process.cwd(),
): ConfigEntry[] {
  const { agent, transport, plugins, inbox = {}, timeouts = {}, logLevel } = config;
  const entry = (path: string, given: unknown, fallback: unknown): ConfigEntry =>
    given === undefined
      ? { path, value: fallback, origin: 'default' }
      : { path, value: maskSecrets(given), origin: 'file' };
  const section = (name: string, given: object, defaults: object): ConfigEntry[] =>
    Object.entries(defaults).map(([key, fallback]) =>
      entry(`${name}.${key}`, (given as Record<string, unknown>)[key], fallback),
    );
  return [
    ...(agent ? givenOptions('agent', agent) : [entry('agent', undefined, null)]),
    ...(isPlugin(transport)
      ? describePlugin('transport', transport)
      : [entry('transport', transport?.name, null)]),
    ...plugins.flatMap((plugin, index) => describePlugin(`plugins[${index}]`, plugin)),
    ...section('inbox', inbox, withDefaults({})),
    ...section('timeouts', timeouts, timeoutsWithDefaults()),
    entry('logLevel', logLevel, 'info'),
    { path: 'stateDir', value: resolveStateDir(cwd, env), origin: env.CLEO_DIR ? 'env' : 'default' },
  ];
}

function describePlugin(path: string, { definition, options }: Plugin): ConfigEntry[] {
  return [{ path, value: definition.name, origin: 'file' }, ...givenOptions(path, options)];
}

function givenOptions(path: string, options: unknown): ConfigEntry[] {
  if (options === undefined) return [];
  const masked = maskSecrets(options);
  if (typeof masked !== 'object' || masked === null || Array.isArray(masked))
    return [{ path: `${path}.options`, value: masked, origin: 'file' }];
  return Object.entries(masked)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({ path: `${path}.${key}`, value, origin: 'file' }));
}
