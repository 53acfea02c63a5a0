import { basename, extname } from 'node:path';
import { withDeadline } from '@cleocode/contracts';
import { KernelError } from '../errors.ts';
import { isPluginFactory } from '../plugin.ts';
import { importModule } from './import-module.ts';
import { type ConfigSource, loadError, scriptError } from './load-error.ts';
import { jsonSyntaxError, yamlSyntaxError } from './syntax-error.ts';

/** The key of a `package.json` that holds a configuration. */
export const PACKAGE_KEY = 'cleo';

const SCRIPTS = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'];
const DATA = ['.json', '.yaml', '.yml'];

/**
 * What the file says, or undefined for a `package.json` that says nothing about Cleo. A script's default export is called
 * when it is a function, and awaited; import and call have `deadlineMs` each.
 *
 * Rejects with `E_CONFIG_LOAD`, or with `E_CONFIG_EMPTY`: a file that is there and says nothing is never "no configuration".
 */
export async function readConfig(source: ConfigSource, deadlineMs: number): Promise<unknown> {
  const extension = extname(source.file);
  if (extension && ![...SCRIPTS, ...DATA].includes(extension))
    throw new KernelError(
      'E_CONFIG_LOAD',
      `${source.label}: cannot be loaded: ${extension} files are not understood`,
      {
        hint: `Use one of ${[...SCRIPTS, ...DATA].join(', ')}.`,
        details: { file: source.file },
      },
    );
  // Imported here, so that a kernel configured in code does not wait for it.
  const { cosmiconfig, defaultLoaders } = await import('cosmiconfig');
  const script = async (_: string, content: string) =>
    box(source, await runScript(source, content, deadlineMs));
  const json = async (_: string, content: string) => box(source, await parseJson(source, content));
  const yaml = async (_: string, content: string) =>
    box(source, await parseYaml(source, content, () => defaultLoaders['.yaml'](source.file, content)));
  const loaders = {
    ...Object.fromEntries(SCRIPTS.map((each) => [each, script])),
    '.json': json,
    '.yaml': yaml,
    '.yml': yaml,
    noExt: yaml,
  };
  try {
    const found = await cosmiconfig(PACKAGE_KEY, { loaders, cache: false }).load(source.file);
    if (found === null) return undefined;
    return contentOf(source, found.isEmpty ? undefined : (found.config as Box).value);
  } catch (error) {
    throw KernelError.is(error) ? error : await loadError(error, source);
  }
}

/** Keeps cosmiconfig from giving `null` and `$import` a meaning of its own. */
interface Box {
  value: unknown;
}

function box(source: ConfigSource, value: unknown): Box | Record<string, Box> {
  if (!isPackage(source)) return { value };
  const content = value as Record<string, unknown> | null;
  return content && Object.hasOwn(content, PACKAGE_KEY)
    ? { [PACKAGE_KEY]: { value: content[PACKAGE_KEY] } }
    : {};
}

function isPackage({ file }: ConfigSource): boolean {
  return basename(file, extname(file)) === 'package';
}

function contentOf(source: ConfigSource, value: unknown): unknown {
  if (value !== undefined && value !== null) return value;
  if (value === undefined && isPackage(source)) return undefined;
  throw emptyConfig(source, value === null ? 'the configuration is null' : 'the file is empty');
}

export function emptyConfig(source: ConfigSource, problem: string, hint?: string): KernelError {
  return new KernelError('E_CONFIG_EMPTY', `${source.label}: ${problem}`, {
    hint: hint ?? 'Write a configuration into it, or delete it to run without one.',
    details: { file: source.file },
  });
}

async function runScript(source: ConfigSource, content: string, deadlineMs: number): Promise<unknown> {
  const { default: exported, names } = await inTime(source, deadlineMs, () => importModule(source.file));
  // A CommonJS file that assigns nothing exports an empty object all the same.
  if (exported === undefined || !/\bexports?\b/.test(content)) {
    const instead = names.length > 0 ? `; it exports ${names.join(', ')}` : '';
    throw emptyConfig(
      source,
      `has no default export${instead}`,
      'Write export default defineConfig({ … }); in CommonJS, module.exports = { … }.',
    );
  }
  const value = await inTime(source, deadlineMs, async () =>
    typeof exported === 'function' && !isPluginFactory(exported) ? exported() : exported,
  );
  if (value === undefined || value === null)
    throw emptyConfig(
      source,
      `the default export ${typeof exported === 'function' ? 'returns' : 'is'} ${value}`,
    );
  return value;
}

function inTime<T>(source: ConfigSource, deadlineMs: number, work: () => Promise<T>): Promise<T> {
  const blamed = work().catch(async (cause) => {
    throw await scriptError(cause, source);
  });
  return withDeadline(
    blamed,
    deadlineMs,
    () =>
      new KernelError(
        'E_CONFIG_LOAD',
        `${source.label}: cannot be loaded: not settled after ${deadlineMs} ms`,
        {
          hint: 'A configuration states what to run; move waiting and connecting into a plugin.',
          details: { file: source.file },
        },
      ),
  );
}

async function parseJson(source: ConfigSource, content: string): Promise<unknown> {
  // Most package.json files on the way up do not concern us, and may even be broken.
  if (isPackage(source) && !content.includes(`"${PACKAGE_KEY}"`)) return {};
  const text = content.replace(/^\uFEFF/, '');
  try {
    return JSON.parse(text);
  } catch (error) {
    const { line, cause } = jsonSyntaxError(error, text);
    throw await loadError(cause, source, line);
  }
}

async function parseYaml(source: ConfigSource, content: string, parse: () => unknown): Promise<unknown> {
  if (content.split('\n').every((line) => /^\s*(?:#|$)/.test(line))) return undefined;
  try {
    return parse();
  } catch (error) {
    const { line, cause } = yamlSyntaxError(error);
    throw await loadError(cause, source, line);
  }
}
