import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { median, report } from '../measure.ts';

/** Whole commands, in turn with a bare node, so that the ratio holds on a noisy machine. */
const ROUNDS = 15;
const cleo = join(import.meta.dirname, '../../packages/cleo/src/bin.js');
const folder = mkdtempSync(join(tmpdir(), 'cleo-start-up-'));
const env = { ...process.env, CLEO_DIR: join(folder, '.cleo'), CLEO_DATA_DIR: join(folder, 'data') };
const bare: number[] = [];
const version: number[] = [];
const ready: number[] = [];
try {
  time([cleo, 'agent', 'register', 'bob']);
  await timeToReady();
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(time(['-e', '0']));
    version.push(time([cleo, '--version']));
    ready.push(await timeToReady());
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
report([
  { what: 'start-up: node -e 0', value: median(bare), unit: 'ms' },
  { what: 'start-up: cleo --version', value: median(version), unit: 'ms' },
  against('cleo --version', version, 2),
  { what: 'start-up: cleo agent start until ready, embedded', value: median(ready), unit: 'ms' },
  against('cleo agent start until ready', ready, 5),
]);

function against(what: string, times: readonly number[], most: number) {
  const value = median(times.map((ms, index) => ms / bare[index]!));
  const target = `≤ ${most}`;
  return { what: `start-up: ${what} against node -e 0`, value, unit: '×', target, met: value <= most };
}

function time(args: string[]): number {
  const started = performance.now();
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore', env, cwd: folder });
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}`);
  return performance.now() - started;
}

/** From the command to its line `ready`; its stop is not counted. */
async function timeToReady(): Promise<number> {
  const started = performance.now();
  const child = spawn(process.execPath, [cleo, 'agent', 'start', 'bob', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
    cwd: folder,
  });
  const ended = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes('"event":"ready"')) continue;
    const ms = performance.now() - started;
    child.kill('SIGTERM');
    await ended;
    return ms;
  }
  throw new Error('cleo agent start ended before it was ready');
}
