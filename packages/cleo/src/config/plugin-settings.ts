import { errorText, maskSecrets, withDeadline } from '@cleocode/contracts';
import { type Plugin, withNewNames } from '@cleocode/kernel';
import type { Configuration } from '../configuration.ts';
import { type Setting, setting } from './origins.ts';

/** A schema is anyone's: it may ask a server that does not answer. */
const CHECK_MS = 5_000;
const POLLER = '@cleocode/plugin-poller';

/**
 * A plugin's name and every option it will have, its defaults filled in by its own schema. Options that the schema refuses are
 * shown as they were given; `refused` hears why.
 */
export async function pluginSettings(
  path: string,
  plugin: Plugin,
  loaded: Configuration,
  refused: (message: string) => void,
): Promise<Setting[]> {
  const { name } = plugin.definition;
  const own = inFile(plugin, loaded);
  const given = asObject(own?.options);
  const head = setting(path, { ...(own && { file: name }), fallback: name });
  const options = await resolvedOptions(plugin).catch((error) => {
    refused(`${path} (${name}): ${errorText(error)}`);
    return plugin.options;
  });
  const masked = maskSecrets(options);
  if (masked === undefined || masked === null) return [head];
  if (typeof masked !== 'object' || Array.isArray(masked))
    return [head, setting(`${path}.options`, { ...(own && { file: masked }), fallback: masked })];
  const { pollInterval } = loaded.environment;
  const entries = Object.entries(masked).filter(([, value]) => value !== undefined);
  return [
    head,
    ...entries.map(([key, value]) => {
      const byVariable = name === POLLER && key === 'intervalMs' && pollInterval !== undefined;
      return setting(`${path}.${key}`, {
        ...(byVariable && { env: ['CLEO_POLL_INTERVAL', value] }),
        ...(given && key in given && given[key] !== undefined && { file: value }),
        fallback: value,
      });
    }),
  ];
}

/** The plugin of the file that this one is, or was made from with a flag's or variable's options laid over. */
function inFile(plugin: Plugin, { config: { plugins, transport } }: Configuration): Plugin | undefined {
  if (plugins.includes(plugin) || plugin === transport) return plugin;
  return plugins.find(({ definition }) => definition.name === plugin.definition.name);
}

/** A plugin's options as its schema makes them, its defaults filled in. Rejects with what the schema refuses. */
export async function resolvedOptions({ definition, options: given }: Plugin): Promise<unknown> {
  const options = withNewNames(given, definition.renamedOptions).value;
  const schema = (definition as { options?: Schema }).options;
  if (!schema) return options;
  const result = await withDeadline(
    (async () => schema['~standard'].validate(options ?? {}))(),
    CHECK_MS,
    () => new Error(`the check of its options did not end within ${CHECK_MS} ms`),
  );
  if (!result.issues) return result.value;
  throw new Error(result.issues.map(({ message }) => message).join('; '));
}

function asObject(options: unknown): Record<string, unknown> | undefined {
  return typeof options === 'object' && options !== null ? (options as Record<string, unknown>) : undefined;
}

/** What of a Standard Schema is used here. */
interface Schema {
  '~standard': {
    validate(
      value: unknown,
    ): MaybePromise<{ value: unknown; issues?: undefined } | { issues: readonly { message: string }[] }>;
  };
}

type MaybePromise<T> = T | Promise<T>;
