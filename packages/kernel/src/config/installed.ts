import { readdirSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import type { PluginKind } from './resolve-plugin.ts';

/** The names that would work here: of every plugin (or transport) package installed, and of every other package. */
export function installedNames(folder: string, kind: PluginKind): string[] {
  const packages = installedPackages(folder);
  const short = packages.map((name) => new RegExp(`^(?:@cleocode/|cleo-)${kind}-(.+)`).exec(name)?.[1] ?? '');
  return [...short.filter(Boolean), ...packages];
}

/** The files beside the one a relative name means, written the way that name was. */
export function siblings(name: string, folder: string): string[] {
  const parent = posix.dirname(name);
  return list(join(folder, parent)).map((file) => `${parent}/${file}`);
}

function installedPackages(folder: string): string[] {
  const modules = join(folder, 'node_modules');
  const here = list(modules).flatMap((name) =>
    name.startsWith('@') ? list(join(modules, name)).map((scoped) => `${name}/${scoped}`) : name,
  );
  const parent = dirname(folder);
  return parent === folder ? here : [...here, ...installedPackages(parent)];
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Not there, or closed to us: nothing to suggest from it.
    return [];
  }
}
