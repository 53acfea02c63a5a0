import { existsSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { errorText, withDeadline } from '@cleocode/contracts';
import { KernelError, type KernelErrorCode } from '../errors.ts';
import { isPlugin, isPluginFactory, type Plugin } from '../plugin.ts';
import { describeValue } from './describe-value.ts';
import { type ImportedModule, importModule } from './import-module.ts';
import { installCommand } from './install-command.ts';
import { installedNames, siblings } from './installed.ts';
import { cureFor } from './load-error.ts';
import { nearest } from './nearest.ts';

export type PluginKind = 'plugin' | 'transport';

export interface ResolveContext {
  kind: PluginKind;
  /** From where the name is resolved. */
  folder: string;
  /** What errors call the configuration, and the place in it: `cleo.config.ts`, `plugins[2]`. */
  label: string;
  path: string;
  file?: string;
  deadlineMs: number;
}

/**
 * The plugin that a name in a configuration means, with its options.
 *
 * `poller` is `@cleocode/plugin-poller`, else `cleo-plugin-poller`, else the package `poller`. A scoped name, a name that
 * begins with `cleo-` and a path are taken literally; a subpath may follow any of them. Packages are found as an `import` in
 * the configuration's folder would find them.
 *
 * Rejects with `E_PLUGIN_NOT_FOUND`, or with `E_PLUGIN_INVALID` when what was found is no plugin.
 */
export async function resolvePlugin(
  name: string,
  options: unknown,
  context: ResolveContext,
): Promise<Plugin> {
  const { specifier, file } = await locate(name, context);
  const exported = await load(specifier, file, context);
  if (isPluginFactory(exported.default)) return exported.default(options);
  if (isPlugin(exported.default)) {
    if (options === undefined) return exported.default;
    throw failure(
      'E_PLUGIN_INVALID',
      specifier,
      context,
      `${specifier} has its options already and takes none here`,
      {
        hint: 'Leave the options out here, or let the module export the factory that definePlugin returns.',
      },
    );
  }
  throw failure(
    'E_PLUGIN_INVALID',
    specifier,
    context,
    `${specifier} is no plugin: it ${exportsOf(exported)}`,
    {
      hint: 'A module used by name exports by default what definePlugin returns; anything else can be imported in cleo.config.ts.',
    },
  );
}

/** The names that are tried, in this order. */
export function namesToTry(name: string, kind: PluginKind): string[] {
  if (isPath(name) || /^@|^cleo-/.test(name)) return [name];
  return [`@cleocode/${kind}-${name}`, `cleo-${kind}-${name}`, name];
}

interface Located {
  specifier: string;
  file: string;
}

async function locate(name: string, context: ResolveContext): Promise<Located> {
  const tried = namesToTry(name, context.kind);
  for (const specifier of tried) {
    const file = isPath(specifier)
      ? locatePath(specifier, context.folder)
      : await locatePackage(specifier, context);
    if (file) return { specifier, file };
  }
  throw failure(
    'E_PLUGIN_NOT_FOUND',
    name,
    context,
    `there is no ${context.kind} "${name}"${tried.length > 1 ? `; tried ${tried.join(', ')}` : ''}`,
    { hint: await cureForMissing(name, tried, context), details: { tried } },
  );
}

function isPath(name: string): boolean {
  return /^\.{1,2}(?:[/\\]|$)/.test(name) || isAbsolute(name);
}

function locatePath(name: string, folder: string): string | undefined {
  const file = resolve(folder, name);
  return existsSync(file) ? file : undefined;
}

/**
 * Node's own algorithm with the `import` condition, which `createRequire().resolve` lacks and `import.meta.resolve` offers
 * for no other folder than its own. Undefined when the package is not there; any other failure is one of the package.
 */
async function locatePackage(specifier: string, context: ResolveContext): Promise<string | undefined> {
  // The literal name of a transport such as "http" is a module of Node.
  if (isBuiltin(specifier)) return undefined;
  const { moduleResolve } = await import('import-meta-resolve');
  try {
    return fileURLToPath(moduleResolve(specifier, pathToFileURL(join(context.folder, 'cleo.config.js'))));
  } catch (cause) {
    const { code, url } = cause as { code?: string; url?: string };
    // With a `url` the package is there, and it is its file that is not.
    if ((code === 'ERR_MODULE_NOT_FOUND' && !url) || code === 'ERR_INVALID_MODULE_SPECIFIER')
      return undefined;
    const missingPath = code === 'ERR_PACKAGE_PATH_NOT_EXPORTED' || code === 'ERR_UNSUPPORTED_DIR_IMPORT';
    throw missingPath
      ? failure(
          'E_PLUGIN_NOT_FOUND',
          specifier,
          context,
          `the package is installed but has no export for ${specifier}`,
          {
            hint: 'The README of the package says which names it offers.',
            details: { tried: [specifier] },
            cause,
          },
        )
      : failure(
          'E_PLUGIN_INVALID',
          specifier,
          context,
          `${specifier} cannot be loaded: ${firstLine(cause)}`,
          {
            hint: 'The package is incomplete: build it, or install it again.',
            cause,
          },
        );
  }
}

async function load(specifier: string, file: string, context: ResolveContext): Promise<ImportedModule> {
  const { deadlineMs } = context;
  const timedOut = new Error(`not settled after ${deadlineMs} ms`);
  try {
    return await withDeadline(importModule(file), deadlineMs, () => timedOut);
  } catch (cause) {
    throw failure(
      'E_PLUGIN_INVALID',
      specifier,
      context,
      `${specifier} cannot be loaded: ${firstLine(cause)}`,
      {
        hint:
          cause === timedOut
            ? 'A plugin module only declares; it connects in init.'
            : await cureFor(cause, file),
        cause,
      },
    );
  }
}

function exportsOf({ default: exported, names }: ImportedModule): string {
  if (exported !== undefined) return `exports ${describeValue(exported)} by default`;
  return names.length > 0 ? `has no default export, only ${names.join(', ')}` : 'exports nothing';
}

async function cureForMissing(
  name: string,
  tried: readonly string[],
  { folder, kind }: ResolveContext,
): Promise<string> {
  if (isPath(name)) {
    const near = nearest(name, siblings(name, folder));
    return near ? `Did you mean "${near}"?` : `Check the path; it is relative to ${folder}.`;
  }
  const packageName = tried[0]!.split('/', tried[0]!.startsWith('@') ? 2 : 1).join('/');
  const near = nearest(name, installedNames(folder, kind));
  const install = `install it: ${await installCommand(packageName, folder)}`;
  return near ? `Did you mean "${near}"? Else ${install}` : install.replace(/^i/, 'I');
}

function failure(
  code: KernelErrorCode,
  plugin: string,
  { label, path, file }: ResolveContext,
  message: string,
  { details, ...rest }: { hint: string; details?: Record<string, unknown>; cause?: unknown },
): KernelError {
  return new KernelError(code, `${label}: ${path}: ${message}`, {
    plugin,
    details: { file, path, ...details },
    ...rest,
  });
}

function firstLine(cause: unknown): string {
  return errorText(cause).split('\n', 1)[0]!;
}
