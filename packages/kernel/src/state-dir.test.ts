import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { resolveStateDir } from './index.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'cleo-state-dir-')));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function folder(...parts: string[]): string {
  const path = join(root, ...parts);
  mkdirSync(path, { recursive: true });
  return path;
}

it('is the nearest .cleo from the working directory upwards', () => {
  const outer = folder('project', '.cleo');
  const inner = folder('project', 'packages', 'agent', '.cleo');
  expect(resolveStateDir(folder('project', 'docs', 'deep'), {})).toBe(outer);
  expect(resolveStateDir(folder('project', 'packages', 'agent', 'src'), {})).toBe(inner);
  expect(resolveStateDir(folder('project'), {})).toBe(outer);
});

it('passes over a file of that name', () => {
  const state = folder('app', '.cleo');
  writeFileSync(join(folder('app', 'sub'), '.cleo'), 'not a folder');
  expect(resolveStateDir(join(root, 'app', 'sub'), {})).toBe(state);
});

it('is .cleo in the working directory where there is none, and does not make it', () => {
  const cwd = folder('empty');
  expect(resolveStateDir(cwd, {})).toBe(join(cwd, '.cleo'));
  expect(() => realpathSync(join(cwd, '.cleo'))).toThrow(/ENOENT/);
});

it('is CLEO_DIR before all else, relative to the working directory', () => {
  const cwd = folder('project');
  expect(resolveStateDir(cwd, { CLEO_DIR: '/var/lib/cleo' })).toBe('/var/lib/cleo');
  expect(resolveStateDir(cwd, { CLEO_DIR: 'state' })).toBe(join(cwd, 'state'));
  expect(resolveStateDir(cwd, { CLEO_DIR: '' })).toBe(join(cwd, '.cleo'));
});
