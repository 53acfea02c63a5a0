import { isPlugin } from '../plugin.ts';
import { type PluginKind, type ResolveContext, resolvePlugin } from './resolve-plugin.ts';
import { isTransport, joinPath, parseConfig } from './schema.ts';
import type { PluginName, ResolvedConfig } from './types.ts';

/** What is known of a configuration that came from elsewhere. */
export interface ResolveConfigOptions {
  /** From where names and relative paths are resolved. Default: the working directory. */
  folder?: string;
  /** What errors call the configuration. Default `config`. */
  label?: string;
  /** The absolute path of the file, for `details` of errors. */
  file?: string;
  /** What errors put before each path. */
  prefix?: string;
  /** How long one plugin's module may take to be imported, in milliseconds. Default 30,000. */
  deadlineMs?: number;
}

/**
 * Checks a configuration and turns the names in it into plugins. Rejects with `E_CONFIG_INVALID`, `E_PLUGIN_NOT_FOUND` or
 * `E_PLUGIN_INVALID`. {@link loadConfig} does it for a file; call it yourself for a configuration that comes from elsewhere.
 */
export async function resolveConfig(
  value: unknown,
  options: ResolveConfigOptions = {},
): Promise<ResolvedConfig> {
  const context = { folder: process.cwd(), label: 'config', deadlineMs: 30_000, ...options };
  const { transport, plugins = [], ...rest } = parseConfig(value, context);
  const named = (entry: PluginName, path: string, kind: PluginKind) => {
    const [name, given] = Array.isArray(entry) ? entry : [entry];
    return resolvePlugin(name, given, {
      ...context,
      kind,
      path: joinPath(options.prefix, path),
    } satisfies ResolveContext);
  };
  const config: ResolvedConfig = { ...rest, plugins: [] };
  if (transport !== undefined)
    config.transport =
      isPlugin(transport) || isTransport(transport)
        ? transport
        : await named(transport, 'transport', 'transport');
  // One after another: the first fault in the list is the one reported.
  for (const [index, entry] of plugins.entries())
    if (entry)
      config.plugins.push(isPlugin(entry) ? entry : await named(entry, `plugins[${index}]`, 'plugin'));
  return config;
}
