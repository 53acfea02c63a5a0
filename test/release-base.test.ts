import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { changesets, releaseBase, unnamed } from '../scripts/release-base.ts';

const KERNEL = 'packages/kernel/package.json';
let workspace: string;

beforeEach(() => {
  workspace = mkdtempSync(join(tmpdir(), 'cleo-release-base-'));
  onTestFinished(() => rmSync(workspace, { recursive: true, force: true }));
  git('init', '--quiet', '--initial-branch', 'main');
  commit({ [KERNEL]: manifest('0.0.0'), 'packages/kernel/src/index.ts': '1', '.changeset/README.md': 'How' });
});

describe('before the first release', () => {
  it('every package is new and needs a changeset', () => {
    expect(missing()).toEqual(['@cleocode/kernel']);
    commit({ '.changeset/first.md': changeset('minor') });
    expect(missing()).toEqual([]);
  });

  it('a version that has moved needs none: its changesets are in the changelog', () => {
    commit({ [KERNEL]: manifest('0.1.0') });
    expect(missing()).toEqual([]);
  });
});

describe('after a release', () => {
  beforeEach(() => {
    commit({ [KERNEL]: manifest('0.1.0') });
    git('tag', '@cleocode/kernel@0.1.0');
  });

  it('is compared with its tag, and code that changed needs a changeset', () => {
    expect(releaseBase(workspace)).toMatchObject({ name: '@cleocode/kernel@0.1.0', ownChangesets: false });
    expect(missing()).toEqual([]);
    commit({ 'packages/kernel/src/index.ts': '2' });
    expect(unnamed(workspace, releaseBase(workspace))).toEqual([
      { name: '@cleocode/kernel', files: ['packages/kernel/src/index.ts'] },
    ]);
    commit({ '.changeset/fix.md': changeset('patch') });
    expect(missing()).toEqual([]);
  });

  it('tests, READMEs and what only developers need do not count', () => {
    const dev = { devDependencies: { vitest: '^5' }, scripts: { test: 'vitest' } };
    commit({
      'packages/kernel/src/index.test.ts': '2',
      'packages/kernel/README.md': 'New',
      [KERNEL]: manifest('0.1.0', dev),
    });
    expect(missing()).toEqual([]);
  });

  it('a dependency counts', () => {
    commit({ [KERNEL]: manifest('0.1.0', { dependencies: { zod: '^4' } }) });
    expect(unnamed(workspace, releaseBase(workspace))).toEqual([
      { name: '@cleocode/kernel', files: [KERNEL] },
    ]);
  });

  it('`none` says that users will not notice', () => {
    commit({ 'packages/kernel/src/index.ts': '2', '.changeset/quiet.md': changeset('none') });
    expect(missing()).toEqual([]);
    expect(changesets(workspace, releaseBase(workspace))).toEqual([
      { id: 'quiet', bumps: new Map([['@cleocode/kernel', 'none']]) },
    ]);
  });
});

describe('on a branch', () => {
  it('counts from where it left main, and a changeset of somebody else does not help', () => {
    commit({ '.changeset/first.md': changeset('minor') });
    git('checkout', '--quiet', '-b', 'topic');
    commit({ 'packages/kernel/src/index.ts': '2' });
    git('checkout', '--quiet', 'main');
    commit({ 'packages/kernel/src/index.ts': '3', '.changeset/other.md': changeset('patch') });
    git('checkout', '--quiet', 'topic');
    const base = releaseBase(workspace, 'main');
    expect(base).toMatchObject({ name: expect.stringMatching(/^main at /), ownChangesets: true });
    expect(unnamed(workspace, base).map(({ name }) => name)).toEqual(['@cleocode/kernel']);
    commit({ '.changeset/mine.md': changeset('patch') });
    expect(unnamed(workspace, base)).toEqual([]);
  });

  it('a base that was not fetched is no base', () => {
    expect(() => releaseBase(workspace, 'origin/main')).toThrow(
      'The base origin/main is not in this repository: fetch it first.',
    );
  });
});

function missing(): string[] {
  return unnamed(workspace, releaseBase(workspace)).map(({ name }) => name);
}

function manifest(version: string, more = {}): string {
  return JSON.stringify({ name: '@cleocode/kernel', version, ...more });
}

function changeset(bump: string): string {
  return `---\n'@cleocode/kernel': ${bump}\n---\n\nA change.\n`;
}

function commit(files: Record<string, string>): void {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(workspace, file)), { recursive: true });
    writeFileSync(join(workspace, file), text);
  }
  git('add', '.');
  git('-c', 'user.name=A', '-c', 'user.email=a@example.com', 'commit', '--quiet', '-m', 'Change');
}

function git(...args: string[]): void {
  execFileSync('git', args, { cwd: workspace, stdio: 'pipe' });
}
