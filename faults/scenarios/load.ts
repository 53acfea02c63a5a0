import { equal, ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from '../lib/scenario.ts';
import { until } from '../lib/workbench.ts';

const backlog: Scenario = {
  name: 'given a backlog of 100,000 messages and a slow handler, then memory grows by at most 50 MB and no more than the limit is in flight',
  limitMs: 120_000,
  alone: true,
  async run(bench) {
    const others = Array.from({ length: 64 }, (_, index) => `other-${index}`);
    await bench.register('prime', others);
    const idle = bench.agent('prime', { FAULTS_CONCURRENCY: 8 });
    await idle.ready();
    await sleep(2_000);
    const before = rssMb(idle.pid);
    equal((await idle.stop()).code, 0);
    await fill(await bench.dock(), others, 100_000);
    const agent = bench.agent('prime', { FAULTS_CONCURRENCY: 8 });
    await agent.ready();
    let highest = 0;
    for (let second = 0; second < (bench.full ? 60 : 12); second += 0.5) {
      highest = Math.max(highest, rssMb(agent.pid));
      await sleep(500);
    }
    const working = agent.events.filter(({ event }) => event === 'message').length;
    const ended = agent.events.filter(({ event }) => event === 'done').length;
    ok(working - ended <= 8, `${working - ended} in flight`);
    ok(working >= 8, 'it is working');
    equal((await agent.stop()).code, 0);
    ok(highest - before <= 50, `resident memory grew from ${before} to ${highest} MB`);
  },
};

const BYSTANDER = join(import.meta.dirname, '../fixtures/bystander.ts');

const manyWriters: Scenario = {
  name: 'given 8 processes that push 1,000 messages each into one file, then no error, nothing lost or handled twice, and no event loop held for 250 ms by them',
  limitMs: 120_000,
  alone: true,
  async run(bench) {
    const others = Array.from({ length: 8 }, (_, index) => `other-${index}`);
    await bench.register('prime', others);
    const agent = bench.agent('prime');
    await agent.ready();
    const senders = others.map((from) =>
      bench.sender({ from: [from], to: 'prime', count: 1_000, rate: 0, content: '#n' }),
    );
    const bystander = bench.spawn([BYSTANDER, join(bench.folder, 'bystander')]);
    const held: number[] = [];
    for (const { child } of senders) {
      await child.exit;
      const summary = JSON.parse(child.output.trim().split('\n').at(-1)!) as {
        errors: number;
        loopDelayMaxMs: number;
      };
      equal(summary.errors, 0, child.output);
      held.push(summary.loopDelayMaxMs);
    }
    await bystander.stop();
    const { loopDelayMaxMs: anyway } = await bystander.event('over');
    const longest = Math.max(...held);
    bench.measured(
      `a loop was held for at most ${Math.round(longest)} ms, that of a bystander for ${Math.round(anyway as number)} ms`,
    );
    // A commit may wait for the disk twice, where a bystander's write waits once.
    ok(longest <= 250 + 2 * (anyway as number), `a sender's event loop was held for ${longest} ms`);
    const sent = senders.flatMap(({ sent }) => sent());
    equal(new Set(sent).size, 8_000);
    await until('all handled', () => bench.ledger.handled().size === 8_000, 60_000);
    equal((await agent.stop()).code, 0);
    equal(bench.ledger.starts().length, 8_000, 'each once');
  },
};

type Dock = Awaited<ReturnType<Parameters<Scenario['run']>[0]['dock']>>;

/** Stores messages for the agent straight through the dock, many to a transaction. */
async function fill(dock: Dock, from: string[], count: number): Promise<void> {
  const content = '{"do":"sleep","ms":100}';
  for (let done = 0; done < count; done += 2_000)
    await Promise.all(
      Array.from({ length: 2_000 }, (_, index) =>
        dock.send(from[index % from.length]!, 'prime', { content }),
      ),
    );
}

function rssMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024);
}

export default [backlog, manyWriters];
