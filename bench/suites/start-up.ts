import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { median, report } from '../measure.ts';

/** Whole commands, in turn with a bare node, so that the ratio holds on a noisy machine. */
const ROUNDS = 15;
const cleo = join(import.meta.dirname, '../../packages/cleo/src/bin.js');
const bare: number[] = [];
const version: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  bare.push(time(['-e', '0']));
  version.push(time([cleo, '--version']));
}
const ratio = median(version.map((ms, index) => ms / bare[index]!));
report([
  { what: 'start-up: node -e 0', value: median(bare), unit: 'ms' },
  { what: 'start-up: cleo --version', value: median(version), unit: 'ms' },
  {
    what: 'start-up: cleo --version against node -e 0',
    value: ratio,
    unit: '×',
    target: '≤ 2',
    met: ratio <= 2,
  },
]);

function time(args: string[]): number {
  const started = performance.now();
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}`);
  return performance.now() - started;
}
