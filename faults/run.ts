import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Scenario } from './lib/scenario.ts';
import { noKeyIn } from './lib/secrets.ts';
import { type Backend, Workbench } from './lib/workbench.ts';

/** So many at once: they mostly wait. */
const LANES = 3;

interface Run {
  scenario: Scenario;
  backend: Backend;
}

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
const runs: Run[] = [];
for (const file of readdirSync(folder).sort()) {
  const { default: scenarios } = (await import(join(folder, file))) as { default: Scenario[] };
  for (const scenario of scenarios.filter(({ name }) => wanted(file) || wanted(name)))
    for (const backend of scenario.backends ?? ['embedded']) runs.push({ scenario, backend });
}
const results: Result[] = [];
await lanes(
  runs.filter(({ scenario }) => !scenario.alone),
  LANES,
);
await lanes(
  runs.filter(({ scenario }) => scenario.alone),
  1,
);
const report = join(import.meta.dirname, '../.tmp');
mkdirSync(report, { recursive: true });
writeFileSync(join(report, 'faults.json'), JSON.stringify({ seed, results }, null, 2));
const having = (status: Result['status']) => results.filter((result) => result.status === status);
const failed = having('failed');
if (failed.length > 0) console.log(`\nFailed:\n${failed.map(shown).join('\n')}\n`);
console.log(
  `${having('passed').length} passed, ${failed.length} failed, ${having('skipped').length} skipped (seed ${seed})`,
);
// A scenario that did not finish in its time may still be at work.
process.exit(failed.length > 0 || results.length === 0 ? 1 : 0);

async function lanes(queue: Run[], count: number): Promise<void> {
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const result = await runOne(next);
      results.push(result);
      console.log(shown(result));
    }
  };
  await Promise.all(Array.from({ length: count }, lane));
}

async function runOne({ scenario, backend }: Run): Promise<Result> {
  const where = { embedded: '', http: ' (over http)', polling: ' (over http, without a stream)' }[backend];
  const name = scenario.name + where;
  const skipped = scenario.skip?.();
  const started = performance.now();
  const bench = new Workbench({ full: values.full, seed, backend });
  const result = (status: Result['status'], reason?: string): Result => {
    const { figures } = bench;
    const ms = Math.round(performance.now() - started);
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

function shown({ name, status, ms, figures, reason }: Result): string {
  const mark = { passed: '✓', failed: '✗', skipped: '-' }[status];
  const more = [...figures, ...(reason ? [reason] : [])].map(
    (text) => `\n    ${text.replaceAll('\n', '\n    ')}`,
  );
  return `${mark} ${name} (${(ms / 1000).toFixed(1)} s)${more.join('')}`;
}
