import { execFile } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { errorText } from '@cleocode/contracts';
import { KernelError } from '../errors.ts';
import { installCommand } from './install-command.ts';
import type { ConfigOrigin } from './schema.ts';

/** A configuration file being read. */
export interface ConfigSource extends ConfigOrigin {
  file: string;
}

export interface Place {
  file: string;
  line: number;
}

/** `E_CONFIG_LOAD` for a configuration that cannot be read: with the file, the line when it is known, and a cure. */
export async function loadError(
  cause: unknown,
  source: ConfigSource,
  where?: Place | number,
): Promise<KernelError> {
  const { file, label } = source;
  const at = typeof where === 'number' ? { file, line: where } : where;
  const here = at?.file === file;
  const elsewhere = at && !here ? ` (at ${relative(dirname(file), at.file)}:${at.line})` : '';
  return new KernelError(
    'E_CONFIG_LOAD',
    `${label}${here ? `:${at.line}` : ''}: cannot be loaded: ${firstLine(cause)}${elsewhere}`,
    {
      hint: await cureFor(cause, file),
      details: { file, ...(here && { line: at.line }), ...(elsewhere && { at }) },
      cause,
    },
  );
}

/** The same for what a script threw, or Node while loading it. */
export async function scriptError(cause: unknown, source: ConfigSource): Promise<KernelError> {
  const stack =
    typeof cause === 'object' && cause !== null ? (cause as { stack?: unknown }).stack : undefined;
  const at =
    firstPlace(String(stack ?? '')) ??
    (isSyntaxError(cause) ? await syntaxErrorPlace(source.file) : undefined);
  // Node tells the real path, and the configuration may be a link.
  const here = at?.file === (await realpath(source.file));
  return loadError(cause, source, here ? at?.line : at);
}

/** The rest may be an excerpt of the file, and that may hold a key. */
function firstLine(cause: unknown): string {
  return errorText(cause).split('\n', 1)[0]!;
}

/** What a person does next about an error of Node's module loader, of the file system, or of the script itself. */
export async function cureFor(cause: unknown, file: string): Promise<string> {
  const code = (cause as { code?: unknown } | null)?.code;
  const text = errorText(cause);
  switch (code) {
    case 'ERR_MODULE_NOT_FOUND':
    case 'MODULE_NOT_FOUND': {
      const name = missingPackage(text);
      if (name) return `Install the package: ${await installCommand(name, dirname(file))}`;
      return 'Check the path; a relative import is written with its extension: "./tools.ts".';
    }
    case 'ERR_PACKAGE_PATH_NOT_EXPORTED':
      return 'The package does not offer this path; its README says what can be imported.';
    case 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX':
      return 'Node runs TypeScript by removing the types: instead of an enum, a namespace or a parameter property write the plain JavaScript for it ("const Level = { low: 1 } as const").';
    case 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING':
      return 'A package in node_modules has to be published as JavaScript; ask its author, or build it first.';
    case 'ERR_UNKNOWN_FILE_EXTENSION':
      return 'Run Node 22.19 or later, without --no-strip-types.';
    case 'EACCES':
    case 'EPERM':
      return 'Make the file readable for the user that runs this.';
    case 'EISDIR':
      return 'Name a file, not a folder.';
    case 'ENOENT':
      return 'Check that the path, or what the link points at, exists.';
  }
  if (/Cannot use import statement|Unexpected token 'export'/.test(text))
    return 'package.json says that this file is CommonJS: name it .mjs or .ts, or use module.exports.';
  if (/is not defined in ES module scope/.test(text))
    return 'This file is an ES module: use import and export default, or name it .cjs.';
  if (/does not provide an export named/.test(text))
    return 'If it is a type, import it with "import type"; else check the name and the version of the package.';
  if (isSyntaxError(cause)) return 'Correct the syntax there.';
  return 'Correct what fails there, then try again.';
}

/** The package that Node could not find, or undefined when it was a path. */
function missingPackage(text: string): string | undefined {
  const specifier = /Cannot find (?:package|module) '([^']+)'/.exec(text)?.[1];
  if (!specifier || specifier.startsWith('.') || isAbsolute(specifier) || specifier.includes(':'))
    return undefined;
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** The first place a stack names before it comes to this folder: that of a syntax error, or of the `throw`. */
function firstPlace(stack: string): Place | undefined {
  for (const row of stack.split('\n')) {
    const match =
      /^(?:\s*at (?:.*\()?(?:async )?)?(file:\/\/.+?|\/.+?|[A-Za-z]:\\.+?):(\d+)(?::\d+)?\)?$/.exec(row);
    if (!match) continue;
    const file = match[1]!.startsWith('file:') ? fileURLToPath(match[1]!.replace(/[?#].*$/, '')) : match[1]!;
    return dirname(file) === import.meta.dirname ? undefined : { file, line: Number(match[2]) };
  }
  return undefined;
}

/** V8 does not tell where an ES module has its syntax error, except on stderr; so let a second Node say it there. */
async function syntaxErrorPlace(file: string): Promise<Place | undefined> {
  try {
    await promisify(execFile)(process.execPath, ['--check', file], { timeout: 10_000 });
    return undefined;
  } catch (failed) {
    return firstPlace(String((failed as { stderr?: unknown }).stderr ?? ''));
  }
}

function isSyntaxError(cause: unknown): boolean {
  return typeof cause === 'object' && cause !== null && (cause as { name?: unknown }).name === 'SyntaxError';
}
