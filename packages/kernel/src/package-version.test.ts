import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { packageVersion } from './index.ts';

it('is the version in the package.json above the module', () => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(packageVersion(import.meta.url)).toBe(manifest.version);
});
