import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { besides, commentBefore, root, sourceOf } from './source.ts';

export interface Package {
  /** Under `packages/`. */
  folder: string;
  name: string;
  description: string;
  /** Each specifier that can be imported, and the file behind it. */
  entries: [specifier: string, file: string][];
}

/** What an exported name stands for: a declaration of a file; `*` is everything that the file exports. */
export interface Target {
  file: string;
  name: string;
  /** Of `export * as`, which has the docstring. */
  comment?: string | undefined;
}

export function publicPackages(): Package[] {
  return globSync('packages/*/package.json', { cwd: root })
    .sort()
    .map((file) => ({ file, manifest: JSON.parse(readFileSync(join(root, file), 'utf8')) }))
    .filter(({ manifest }) => !manifest.private)
    .map(({ file, manifest: { name, description, exports } }) => {
      const folder = file.split('/')[1]!;
      return {
        folder,
        name,
        description,
        entries: Object.entries<string>(exports).map(([path, target]) => [
          join(name, path),
          join('packages', folder, target),
        ]),
      };
    });
}

/** Every name that a module exports, through whatever it exports again. */
export function exportsOf(file: string): Map<string, Target> {
  const source = sourceOf(file);
  const found = new Map<string, Target>();
  for (const { start, entries } of source.exports)
    for (const entry of entries) {
      const { moduleRequest, importName, exportName, localName } = entry;
      const name = exportName.name ?? 'default';
      if (!moduleRequest) {
        found.set(name, { file, name: localName.name ?? name });
        continue;
      }
      const from = fileOf(file, moduleRequest.value);
      const imported: string = importName.kind;
      if (imported === 'All')
        found.set(name, { file: from, name: '*', comment: commentBefore(source, start) });
      else if (imported === 'AllButDefault') {
        for (const [each, target] of exportsOf(from)) if (each !== 'default') found.set(each, target);
      } else {
        const target = exportsOf(from).get(importName.name ?? 'default');
        if (!target) throw new Error(`${file}: ${moduleRequest.value} does not export ${importName.name}`);
        found.set(name, target);
      }
    }
  return found;
}

function fileOf(file: string, specifier: string): string {
  if (specifier.startsWith('.')) return besides(file, specifier);
  const entry = publicPackages()
    .flatMap(({ entries }) => entries)
    .find(([name]) => name === specifier);
  if (!entry) throw new Error(`${file}: ${specifier} is no package of the workspace`);
  return entry[1];
}

/** The same for every name of one declaration. */
export function keyOf({ file, name }: Target): string {
  return `${file}#${name}`;
}
