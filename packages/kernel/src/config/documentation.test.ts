import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeConfig } from './describe-config.ts';
import { SEARCH_PLACES } from './search.ts';

const page = readFileSync(join(import.meta.dirname, '../../../../docs/configuration.md'), 'utf8');
const entries = describeConfig({ config: { plugins: [] }, file: undefined }, {}, '/');

test('docs/configuration.md lists every numeric option with its default, and no other', () => {
  const documented = [...page.matchAll(/^\| `((?:inbox|timeouts)\.\w+)`\s*\| ([\d,]+)\s*\|/gm)].map(
    ([, path, value]) => [path, Number(value!.replaceAll(',', ''))],
  );
  const actual = entries
    .filter(({ value }) => typeof value === 'number')
    .map(({ path, value }) => [path, value]);
  expect(documented).toEqual(actual);
});

test('docs/configuration.md lists the search places in their order', () => {
  const list = page.slice(page.indexOf('\n1. '), page.indexOf('`--config FILE`'));
  const named = [...list.matchAll(/`((?:\.|cleo\.config)[\w./]+|package\.json)`/g)].map(([, place]) => place);
  expect(named).toEqual(SEARCH_PLACES.filter((place) => !/^\.config\/cleorc\./.test(place)));
});
