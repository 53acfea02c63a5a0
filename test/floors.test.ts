import { dirname, join } from 'node:path/posix';
import { expect, it } from 'vitest';
import { type Import, type Package, packages } from './support/workspace.ts';

/** The house: an import points to a lower floor, or to a neighbour named here. */
const FLOORS: [floor: number, folder: RegExp][] = [
  [1, /^(contracts|sqlite)$/],
  [2, /^(intake|kernel|signaldock)$/],
  [3, /^(plugin-.+|transport-.+|store)$/],
  [4, /^(runtime|cleo)$/],
];
const NEIGHBOURS = new Set(['sqlite -> contracts', 'cleo -> runtime']);

const all = packages();
const folderOf = new Map(all.map(({ folder, manifest }) => [manifest.name, folder]));

it('every package stands on a floor', () => {
  expect(all.filter(({ folder }) => floorOf(folder) === undefined).map(({ folder }) => folder)).toEqual([]);
});

it('imports only point down the floors, and never from one plugin or transport to another', () => {
  expect(
    offending((from, { specifier }) => {
      const target = folderOf.get(packageName(specifier) ?? '');
      if (target === undefined || NEIGHBOURS.has(`${from.folder} -> ${target}`)) return undefined;
      const [above, below] = [floorOf(from.folder), floorOf(target)];
      return above !== undefined && below !== undefined && below >= above
        ? `floor ${above} imports ${specifier} of floor ${below}`
        : undefined;
    }),
  ).toEqual([]);
});

it('a package is imported through what it exports, never by a private path', () => {
  const exported = new Set(
    all.flatMap(({ manifest }) => Object.keys(manifest.exports).map((path) => join(manifest.name, path))),
  );
  expect(
    offending((from, { specifier }, path) => {
      if (specifier.startsWith('.')) {
        const inside = join(dirname(path), specifier).startsWith(`packages/${from.folder}/src/`);
        return inside ? undefined : `${specifier} leaves the package`;
      }
      return specifier.startsWith('@cleocode/') && !exported.has(specifier)
        ? `${specifier} is not exported`
        : undefined;
    }),
  ).toEqual([]);
});

it('every imported package of the workspace is declared where it is published', () => {
  expect(
    offending((from, { specifier }) => {
      const name = packageName(specifier);
      const declared = { ...from.manifest.dependencies, ...from.manifest.peerDependencies };
      return name && !(name in declared) ? `${name} is not in package.json` : undefined;
    }),
  ).toEqual([]);
});

it('one file of the kernel imports tapable', () => {
  const files = all.flatMap(({ sources }) =>
    sources.filter(({ imports }) => imports.some(({ specifier }) => specifier === 'tapable')),
  );
  expect(files.map(({ path }) => path)).toEqual([expect.stringMatching(/^packages\/kernel\/src\//)]);
});

function floorOf(folder: string): number | undefined {
  return FLOORS.find(([, pattern]) => pattern.test(folder))?.[0];
}

/** `@cleocode/name` of `@cleocode/name/sub/path`; `undefined` for anything from elsewhere. */
function packageName(specifier: string): string | undefined {
  return /^@cleocode\/[^/]+/.exec(specifier)?.[0];
}

/** Every import that `complaint` has something to say about, as `file:line: what`. */
function offending(complaint: (from: Package, found: Import, path: string) => string | undefined): string[] {
  return all.flatMap((from) =>
    from.sources.flatMap(({ path, imports }) =>
      imports.flatMap((found) => {
        const said = complaint(from, found, path);
        return said === undefined ? [] : [`${path}:${found.line}: ${said}`];
      }),
    ),
  );
}
