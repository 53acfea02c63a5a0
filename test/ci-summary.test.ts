import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { root } from './support/workspace.ts';

const folder = mkdtempSync(join(tmpdir(), 'cleo-summary-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('adds up stages, the tests of vitest and the scenarios of the fault suite', () => {
  const unit = report({ testResults: [suite('passed', 'passed', 'passed', 'skipped', 'todo')] });
  const faults = report({
    results: [
      { name: 'kill -9', status: 'passed', ms: 1 },
      { name: 'no strace', status: 'skipped' },
    ],
  });
  expect(summary(['lint', 0, '-'], ['test', 0, unit], ['faults', 0, faults])).toEqual({
    line: '4 passed, 0 failed, 3 skipped',
    exit: 0,
  });
});

it('fails when a stage, a test or a scenario fails', () => {
  const unit = report({ testResults: [suite('failed', 'passed', 'failed')] });
  const faults = report({ results: [{ name: 'kill -9', status: 'failed', reason: 'lost 1', ms: 1 }] });
  expect(summary(['lint', 1, '-'], ['test', 1, unit], ['faults', 1, faults])).toEqual({
    line: '1 passed, 3 failed, 0 skipped',
    exit: 1,
  });
});

it('counts a test file that could not be loaded', () => {
  const unit = report({ testResults: [suite('failed'), suite('passed', 'passed')] });
  expect(summary(['test', 1, unit])).toEqual({ line: '1 passed, 1 failed, 0 skipped', exit: 1 });
});

it('counts a failure that no test accounts for', () => {
  const unit = report({ testResults: [suite('passed', 'passed')] });
  expect(summary(['test', 124, unit])).toEqual({ line: '1 passed, 1 failed, 0 skipped', exit: 1 });
});

it('does not take a suite for passed that left no report, half a report, or ran nothing', () => {
  const half = join(folder, 'half.json');
  writeFileSync(half, '{"testResults":[');
  expect(summary(['test', 0, half])).toEqual({ line: '0 passed, 1 failed, 0 skipped', exit: 1 });
  expect(summary(['test', 0, join(folder, 'absent.json')])).toEqual({
    line: '0 passed, 1 failed, 0 skipped',
    exit: 1,
  });
  expect(summary(['faults', 0, report({ results: [] })])).toEqual({
    line: '0 passed, 1 failed, 0 skipped',
    exit: 1,
  });
});

function summary(...stages: [name: string, code: number, report: string][]) {
  const file = join(folder, 'stages.tsv');
  writeFileSync(file, stages.map((stage) => `${stage.join('\t')}\n`).join(''));
  const run = spawnSync(process.execPath, [join(root, 'scripts/ci-summary.ts'), file], { encoding: 'utf8' });
  return { line: run.stdout.trimEnd(), exit: run.status };
}

let reports = 0;
function report(content: unknown): string {
  const file = join(folder, `report-${reports++}.json`);
  writeFileSync(file, JSON.stringify(content));
  return file;
}

function suite(status: string, ...tests: string[]) {
  return { status, assertionResults: tests.map((test) => ({ status: test })) };
}
