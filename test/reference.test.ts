import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VARIABLES } from '../packages/cleo/src/environment.ts';
import { type OptionSection, optionSections } from '../scripts/reference/option-sections.ts';
import { plain } from '../scripts/reference/options.ts';
import { FOLDER, referencePages } from '../scripts/reference/pages.ts';
import { tables } from './support/markdown.ts';
import { read, root } from './support/workspace.ts';

it('has reference pages that are what the source says, and a docstring for every export', () => {
  const pages = referencePages();
  const stale = [...pages].filter(([file, text]) => {
    const page = join(FOLDER, file);
    return !existsSync(join(root, page)) || read(page) !== text;
  });
  const left = globSync('**/*.md', { cwd: join(root, FOLDER) }).filter((file) => !pages.has(file));
  expect(
    [...stale.map(([file]) => file), ...left],
    `${FOLDER} is not what the source says. Run: npx -y pnpm@12 docs:reference`,
  ).toEqual([]);
});

describe('tables of options that are written by hand', () => {
  const sections = optionSections();

  it.for(sections)('tell of $heading what the schema says', (section) => {
    const rows = rowsAbout(section);
    const faults = section.options.flatMap(({ name, fallback, value, bounds }) => {
      const path = section.prefix + name;
      const row = rows.get(path);
      if (!row) return sections.some(({ prefix }) => prefix === `${name}.`) ? [] : [`${path} is missing`];
      return [
        ...(sameDefault(row.default, value, fallback) ? [] : [`${path}: ${row.default} is not ${fallback}`]),
        ...(sameBounds(row.bounds, bounds) ? [] : [`${path}: ${row.bounds} is not ${bounds}`]),
      ];
    });
    const known = sections
      .filter(({ told }) => told === section.told)
      .flatMap(({ prefix, options }) => options.map(({ name }) => prefix + name));
    const unknown = [...rows].filter(
      ([path, { text }]) => !known.includes(path) && !/class only/i.test(text),
    );
    expect(
      [...faults, ...unknown.map(([path]) => `${path} is no option`)],
      `${section.told} differs from ${FOLDER}/configuration.md#${section.heading}`,
    ).toEqual([]);
  });

  it('name every variable of the environment', () => {
    const named = tables('docs/configuration.md').flatMap((rows) =>
      rows.flatMap(({ variable }) => variable ?? []),
    );
    expect(named.map(plain).sort()).toEqual(Object.keys(VARIABLES).sort());
  });
});

interface Row {
  default: string | undefined;
  bounds: string | undefined;
  text: string;
}

/** The rows of the table that has most of the options. Another one may have some: of a class that works alone. */
function rowsAbout({ told, prefix, options }: OptionSection): Map<string, Row> {
  const found = tables(told).map((rows) => {
    const named = rows.flatMap((row): [string, Row][] =>
      [...(row.option ?? '').matchAll(/`([\w.]+)`/g)].map(([, name]) => [
        name!,
        { default: row.default, bounds: row.bounds, text: Object.values(row).join(' ') },
      ]),
    );
    return new Map(named);
  });
  const overlap = (rows: Map<string, Row>) => options.filter(({ name }) => rows.has(prefix + name)).length;
  return found.reduce((best, rows) => (overlap(rows) > overlap(best) ? rows : best), new Map());
}

/** Where the code has no value, the docstring's words may be others; its figures may not. */
function sameDefault(told: string | undefined, value: unknown, fallback: string): boolean {
  if (told === undefined) return true;
  if (value === undefined) return !/^[\d,]+$/.test(fallback) || plain(told) === plain(fallback);
  if (told === '' || told === 'none') return typeof value === 'object' && Object.keys(value!).length === 0;
  const [, count, unit] = /^(\d+) (days|h|min|s)$/.exec(told) ?? [];
  return count ? Number(count) * UNITS[unit as 'days'] === value : plain(told) === plain(value);
}

const UNITS = { days: 86_400_000, h: 3_600_000, min: 60_000, s: 1_000 };

function sameBounds(told: string | undefined, bounds: string): boolean {
  return !/^[\d,]+ (?:to [\d,]+|or more)$/.test(told ?? '') || told === bounds;
}
