import { fork } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Figure } from './measure.ts';

/** Runs each benchmark in a process of its own, one after another, and prints what it measured beside its bound. */
const wanted = process.argv[2] ?? '';
const folder = join(import.meta.dirname, 'suites');
const all: Figure[] = [];
console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}`);
for (const file of readdirSync(folder).sort()) {
  if (!file.includes(wanted)) continue;
  const figures = await runSuite(join(folder, file));
  for (const figure of figures) {
    all.push(figure);
    const { what, value, unit, target, met, note } = figure;
    const amount = `${value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)} ${unit}`;
    const bound = target ? `  [${met ? 'holds' : 'FALLS SHORT OF'} ${target}]` : '';
    console.log(`${what.padEnd(64)} ${amount.padStart(18)}${bound}${note ? `  ${note}` : ''}`);
  }
}
const reports = join(import.meta.dirname, '../.tmp');
mkdirSync(reports, { recursive: true });
writeFileSync(join(reports, 'bench.json'), JSON.stringify(all, null, 2));

function runSuite(file: string): Promise<Figure[]> {
  return new Promise((resolve, reject) => {
    const figures: Figure[] = [];
    const child = fork(file, { execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'] });
    child.on('message', (message) => figures.push(...(message as Figure[])));
    child.on('exit', (code) =>
      code === 0 ? resolve(figures) : reject(new Error(`${file} ended with ${code}`)),
    );
  });
}
