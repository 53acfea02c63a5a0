import GithubSlugger from 'github-slugger';
import { ApiPage } from './api-page.ts';
import { exportsOf, keyOf, type Package, publicPackages, type Target } from './exports.ts';

/** What an entry point of a package exports. */
export interface Export {
  name: string;
  /** By default, beside its name or instead of it. */
  isDefault: boolean;
  target: Target;
}

/** An entry point of a package. */
export interface Section {
  heading: string;
  all: Export[];
  /** Those that are described here: declared in this package, and not described by an entry point before. */
  own: Export[];
}

/** Where an export is described. */
export interface Place {
  /** The folder of its package. */
  folder: string;
  anchor: string;
}

/** A page for each public package, by its file below `docs/reference`. Throws for exports without a docstring. */
export function apiPages(): [file: string, text: string][] {
  const packages = publicPackages();
  const places = new Map(packages.flatMap(placesOf));
  const rendered = packages.map((one) => ({ one, page: new ApiPage(one, sectionsOf(one), places) }));
  const bare = rendered.flatMap(({ page }) => page.bare);
  if (bare.length > 0)
    throw new Error(`These exports have no docstring; write one before each:\n${bare.join('\n')}`);
  return rendered.map(({ one, page }) => [`api/${one.folder}.md`, page.text]);
}

function sectionsOf({ folder, entries }: Package): Section[] {
  const described = new Set<string>();
  return entries.map(([specifier, file]) => {
    const all = exported(file);
    const own = all.filter(({ target }) => {
      const isNew = target.file.startsWith(`packages/${folder}/`) && !described.has(keyOf(target));
      described.add(keyOf(target));
      return isNew;
    });
    return { heading: `Exports of ${specifier}`, all, own };
  });
}

function exported(file: string): Export[] {
  const byTarget = new Map<string, Export>();
  for (const [as, target] of exportsOf(file)) {
    const known = byTarget.get(keyOf(target));
    const isDefault = as === 'default' || known?.isDefault === true;
    const name = as === 'default' ? (known?.name ?? target.name) : as;
    byTarget.set(keyOf(target), { name, isDefault, target });
  }
  return [...byTarget.values()].sort((one, other) => compare(one.name, other.name));
}

/** Anchors as GitHub makes them, from every heading of a page in its order. */
function placesOf(one: Package): [key: string, place: Place][] {
  const slugger = new GithubSlugger();
  slugger.slug(one.name);
  return sectionsOf(one).flatMap(({ heading, own }) => {
    slugger.slug(heading);
    return own.map(({ name, target }): [string, Place] => [
      keyOf(target),
      { folder: one.folder, anchor: slugger.slug(name) },
    ]);
  });
}

function compare(one: string, other: string): number {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  if (a === b) return one < other ? -1 : 1;
  return a < b ? -1 : 1;
}
