import { lstatSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

const RC_FORMATS = ['', '.json', '.yaml', '.yml', '.ts', '.js', '.mjs', '.cjs'];

/** The names a configuration may have, relative to a folder; the first that exists is the one. */
export const SEARCH_PLACES: readonly string[] = [
  ...['.ts', '.mts', '.js', '.mjs', '.cjs', '.json'].map((format) => `cleo.config${format}`),
  ...RC_FORMATS.map((format) => `.cleorc${format}`),
  ...RC_FORMATS.map((format) => `.config/cleorc${format}`),
  'package.json',
];

/**
 * The files in `cwd` and the folders above it that may be the configuration, nearest first. The home folder is the last one
 * looked into; from outside of it, the root is.
 *
 * Cosmiconfig's own search is not used: it passes over a file that may not be read, a link to nowhere, and any
 * configuration that fails with `ENOENT`, and a configuration that is there must never count as none.
 */
export function* candidates(cwd: string): Generator<string> {
  const last = homedir();
  for (let folder = cwd; ; folder = dirname(folder)) {
    for (const place of SEARCH_PLACES) {
      const file = join(folder, place);
      if (exists(file)) yield file;
    }
    if (folder === last || folder === dirname(folder)) return;
  }
}

/** Whether something other than a folder has this name; a link to nowhere does. */
export function exists(file: string): boolean {
  try {
    return lstatSync(file, { throwIfNoEntry: false })?.isDirectory() === false;
  } catch {
    // The folder is closed to us: nothing in it can be meant for us.
    return false;
  }
}
