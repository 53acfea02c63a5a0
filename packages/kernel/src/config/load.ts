import { existsSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { KernelError } from '../errors.ts';
import type { ConfigSource } from './load-error.ts';
import { emptyConfig, PACKAGE_KEY, readConfig } from './read-config.ts';
import { resolveConfig } from './resolve-config.ts';
import { candidates, exists } from './search.ts';
import type { ResolvedConfig } from './types.ts';
import { withTypeScriptModules } from './typescript-modules.ts';

/** Where a configuration is looked for. */
export interface LoadConfigOptions {
  /** Where to look, and what `file` is relative to. Default: the working directory. */
  cwd?: string;
  /** The configuration to load, instead of looking for one. */
  file?: string;
  /**
   * How long a script may take to be imported, and again how long its function may take to answer, in milliseconds.
   * Default 30,000.
   */
  deadlineMs?: number;
}

/** A configuration, and where it stood. */
export interface LoadedConfig {
  config: ResolvedConfig;
  /** The absolute path of the file it came from; undefined when there truly is none. */
  file: string | undefined;
}

/**
 * Loads the configuration: `cleo.config.ts` and the other places of docs/configuration.md, from `cwd` upwards to the home
 * folder. Checks it whole, and turns the names in it into plugins, resolved from the folder of the file.
 *
 * Without a file anywhere the configuration is `{ plugins: [] }`. A file that exists and cannot be used is an error:
 * `E_CONFIG_LOAD`, `E_CONFIG_EMPTY`, `E_CONFIG_INVALID`, `E_PLUGIN_NOT_FOUND`, `E_PLUGIN_INVALID`; so is a named file that
 * does not exist: `E_CONFIG_NOT_FOUND`.
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<LoadedConfig> {
  const { file, deadlineMs = 30_000 } = options;
  const cwd = resolve(options.cwd ?? process.cwd());
  if (!existsSync(cwd))
    throw new KernelError('E_CONFIG_NOT_FOUND', `${cwd}: there is no such folder`, {
      hint: 'Check the path of the working directory.',
      details: { file: cwd },
    });
  return withTypeScriptModules(async () => {
    const found = file === undefined ? await search(cwd, deadlineMs) : await read(cwd, file, deadlineMs);
    if (!found) return { config: { plugins: [] }, file: undefined };
    const { source, value } = found;
    const config = await resolveConfig(value, { ...source, folder: dirname(source.file), deadlineMs });
    return { config, file: source.file };
  });
}

interface Found {
  source: ConfigSource;
  value: unknown;
}

async function search(cwd: string, deadlineMs: number): Promise<Found | undefined> {
  for (const file of candidates(cwd)) {
    const source = sourceOf(cwd, file);
    const value = await readConfig(source, deadlineMs);
    if (value !== undefined) return { source, value };
  }
  return undefined;
}

async function read(cwd: string, name: string, deadlineMs: number): Promise<Found> {
  const file = resolve(cwd, name);
  const source = sourceOf(cwd, file);
  if (!exists(file))
    throw new KernelError('E_CONFIG_NOT_FOUND', `${source.label}: there is no such file`, {
      hint: 'Check the path, or leave it out to look for cleo.config.ts from here upwards.',
      details: { file },
    });
  const value = await readConfig(source, deadlineMs);
  if (value === undefined) throw emptyConfig(source, `has no "${PACKAGE_KEY}"`);
  return { source, value };
}

function sourceOf(cwd: string, file: string): ConfigSource {
  const inPackage = /package\.\w+$/.test(file);
  return { file, label: relative(cwd, file), ...(inPackage && { prefix: PACKAGE_KEY }) };
}
