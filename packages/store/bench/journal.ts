/**
 * What the journal holds: messages per second, each begun and done, and how long the event loop is kept waiting.
 *
 *   node packages/store/bench/journal.ts [messages per run] [keys stored before] [ordered | random]
 *
 * SignalDock's ids are ordered by time, so new keys stand together in the index. Random ids are the worst case: each
 * touches a page of its own.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openStore } from '@cleocode/store';

const messages = Number(process.argv[2] ?? 50_000);
const before = Number(process.argv[3] ?? 0);
const random = process.argv[4] === 'random';
const dir = mkdtempSync(join(tmpdir(), 'cleo-bench-'));
const store = await openStore({ dir });
const journal = store.journalFor('bench');

let count = 0;
await run(before, 1_000);
for (const concurrent of [1, 64, 512]) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const total = concurrent === 1 ? messages / 25 : messages;
  const started = performance.now();
  const cpu = process.cpuUsage();
  await run(total, concurrent);
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  delay.disable();
  console.log(
    JSON.stringify({
      concurrent,
      messagesPerSecond: Math.round(total / seconds),
      loopDelayMs: { p99: ms(delay.percentile(99)), max: ms(delay.max) },
      cpu: Number(((user + system) / 1e6 / seconds).toFixed(2)),
    }),
  );
}
await store.close();
console.log(
  JSON.stringify({ bytesPerMessage: Math.round(statSync(store.file).size / (before + messages * 2.04)) }),
);
rmSync(dir, { recursive: true });

async function run(total: number, concurrent: number): Promise<void> {
  let left = total;
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const key = random ? randomUUID() : `${String(count++).padStart(8, '0')}${randomUUID().slice(8)}`;
      await journal.begin(key);
      await journal.done(key);
    }
  };
  await Promise.all(Array.from({ length: concurrent }, one));
}

function ms(nanoseconds: number): number {
  return Math.round(nanoseconds / 1e6);
}
