/**
 * Writes into the README of each public package what installing it alone brings, and how long its import takes here.
 * The size is held by `check:packages`; a time is only ever a record of one machine.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { footprintLine, installAlone, withFootprint } from './installed.ts';
import { build, pack, root, run, usePinnedTools } from './packed.ts';

const ROUNDS = 9;

usePinnedTools();
const temporary = mkdtempSync(join(tmpdir(), 'cleo-measure-'));
try {
  await build(root, ['--noCheck']);
  const packages = await pack(temporary);
  const bareMs = await median(() => startMs(temporary));
  for (const one of packages) {
    const folder = join(temporary, 'alone', basename(one.source));
    const { bytes, brought } = await installAlone(one, packages, folder);
    const importMs = await median(() => loadMs(folder, one.manifest.name));
    const footprint = { bytes, brought, importMs, bareMs };
    const readme = join(root, one.source, 'README.md');
    writeFileSync(readme, withFootprint(readFileSync(readme, 'utf8'), footprint));
    console.log(`${one.manifest.name}: ${footprintLine(footprint)}`);
  }
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

/** From start to end of a process that does nothing. */
async function startMs(folder: string): Promise<number> {
  const began = performance.now();
  await run(process.execPath, ['--input-type=module', '--eval', ''], folder);
  return performance.now() - began;
}

/** The import alone, in a fresh process. */
async function loadMs(folder: string, name: string): Promise<number> {
  const program = `const began = performance.now(); await import('${name}'); console.log(performance.now() - began);`;
  return Number(await run(process.execPath, ['--input-type=module', '--eval', program], folder));
}

async function median(measure: () => Promise<number>): Promise<number> {
  const measured: number[] = [];
  for (let round = 0; round < ROUNDS; round++) measured.push(await measure());
  return Math.round(measured.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!);
}
