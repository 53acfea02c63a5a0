import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Scenario } from './lib/scenario.ts';
import { noKeyIn } from './lib/secrets.ts';
import { type Backend, Workbench } from './lib/workbench.ts';

interface Result {
  name: string;
  status: 'passed' | 'failed' | 'skipped';
  reason?: string;
  ms: number;
  figures: readonly string[];
}

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    only: { type: 'string' },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`Runs the fault scenarios against real processes.

  pnpm test:faults                 every scenario, sized for CI
  pnpm test:faults --full          at full size (200 kills, …)
  pnpm test:faults --only poison   those whose file or sentence contains a word
  pnpm test:faults --seed 42       repeat a run
  pnpm test:faults --keep          leave each scenario's folder behind, to look at`);
  process.exit(0);
}

const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
console.log(`seed ${seed}${values.full ? ', full size' : ''}`);
const folder = join(import.meta.dirname, 'scenarios');
const wanted = (text: string) => text.includes(values.only ?? '');
const results: Result[] = [];
for (const file of readdirSync(folder).sort()) {
  const { default: scenarios } = (await import(join(folder, file))) as { default: Scenario[] };
  for (const scenario of scenarios.filter(({ name }) => wanted(file) || wanted(name)))
    for (const backend of scenario.backends ?? ['embedded']) results.push(await runOne(scenario, backend));
}
const report = join(import.meta.dirname, '../.tmp');
mkdirSync(report, { recursive: true });
writeFileSync(join(report, 'faults.json'), JSON.stringify({ seed, results }, null, 2));
const count = (status: Result['status']) => results.filter((result) => result.status === status).length;
console.log(`${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`);
// A scenario that did not finish in its time may still be at work.
process.exit(count('failed') > 0 || results.length === 0 ? 1 : 0);

async function runOne(scenario: Scenario, backend: Backend): Promise<Result> {
  const where = { embedded: '', http: ' (over http)', polling: ' (over http, without a stream)' }[backend];
  const name = scenario.name + where;
  const skipped = scenario.skip?.();
  const started = performance.now();
  const bench = new Workbench({ full: values.full, seed, backend });
  const result = (status: Result['status'], reason?: string): Result => {
    const { figures } = bench;
    const ms = Math.round(performance.now() - started);
    const mark = { passed: '✓', failed: '✗', skipped: '-' }[status];
    console.log(`${mark} ${name} (${(ms / 1000).toFixed(1)} s)`);
    for (const text of [...figures, ...(reason ? [reason] : [])])
      console.log(`    ${text.replaceAll('\n', '\n    ')}`);
    return { name, status, ms, figures, ...(reason && { reason }) };
  };
  try {
    if (skipped) return result('skipped', skipped);
    await withLimit(scenario.run(bench), (scenario.limitMs ?? 60_000) * (values.full ? 20 : 1));
    await bench.release();
    await noKeyIn(bench);
    return result('passed');
  } catch (error) {
    return result('failed', error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await (values.keep ? bench.release() : bench.dispose());
  }
}

async function withLimit(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished within ${ms} ms`)), ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
