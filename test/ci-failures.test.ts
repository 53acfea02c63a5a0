import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { root } from './support/workspace.ts';

const folder = mkdtempSync(join(tmpdir(), 'cleo-failures-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('names the tests that failed, with what each said first', () => {
  const failed = {
    status: 'failed',
    fullName: 'an agent hears',
    failureMessages: [
      'Error: it does not\n    at hears (/a/hear.ts:1:2)\n    at run (/a/node_modules/vitest/run.js:3:4)',
    ],
  };
  const passed = { status: 'passed', fullName: 'an agent starts', failureMessages: [] };
  const testResults = [
    { name: `${root}/a/hear.test.ts`, message: '', assertionResults: [passed, failed] },
    { name: `${root}/a/broken.test.ts`, message: 'SyntaxError: what?', assertionResults: [] },
  ];
  expect(failures({ testResults })).toBe(
    [
      '✗ a/hear.test.ts: an agent hears',
      '    Error: it does not',
      '        at hears (/a/hear.ts:1:2)',
      '✗ a/broken.test.ts',
      '    SyntaxError: what?',
    ].join('\n'),
  );
});

it('names the scenarios that failed', () => {
  const results = [
    { name: 'kill -9', status: 'failed', reason: 'lost 1' },
    { name: 'a full disk', status: 'passed' },
  ];
  expect(failures({ results })).toBe('✗ kill -9\n    lost 1');
});

it('says when there is no report, and how many failures it leaves out', () => {
  expect(failures(undefined)).toContain('no report: ENOENT');
  const results = Array.from({ length: 25 }, (_, n) => ({ name: `${n}`, status: 'failed', reason: 'so' }));
  expect(failures({ results })).toMatch(/✗ 19\n {4}so\nand 5 more$/);
});

function failures(report: object | undefined): string {
  const file = join(folder, report ? 'report.json' : 'none.json');
  if (report) writeFileSync(file, JSON.stringify(report));
  const { stdout } = spawnSync(process.execPath, [join(root, 'scripts/ci-failures.ts'), file], { cwd: root });
  return stdout.toString().trimEnd();
}
