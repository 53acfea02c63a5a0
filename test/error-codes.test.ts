import { KERNEL_ERROR_CODES } from '@cleocode/kernel';
import { expect, it } from 'vitest';
import { packages, read, testFiles } from './support/workspace.ts';

const inSources = new Map<string, string>();
for (const { path, errorCodes } of packages().flatMap(({ sources }) => sources)) {
  for (const code of errorCodes) if (!inSources.has(code)) inSources.set(code, path);
}
const documented = [...read('docs/errors.md').matchAll(/^\| `(E_[A-Z0-9_]+)`\s*\|/gm)].map(
  ([, code]) => code!,
);

it('every error code of the sources stands in docs/errors.md', () => {
  const missing = [...inSources].filter(([code]) => !documented.includes(code));
  expect(missing.map(([code, path]) => `${code} (${path})`)).toEqual([]);
});

it('every row of docs/errors.md stands in the sources, once', () => {
  expect(documented.filter((code) => !inSources.has(code))).toEqual([]);
  expect(documented.filter((code, index) => documented.indexOf(code) !== index)).toEqual([]);
});

it('every error code of the kernel is met by some test', () => {
  const tests = testFiles().map(read).join('\n');
  expect(KERNEL_ERROR_CODES.filter((code) => !new RegExp(`\\b${code}\\b`).test(tests))).toEqual([]);
});
