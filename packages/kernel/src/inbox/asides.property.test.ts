import { type InboxEvent, nextHop } from '@cleocode/contracts';
import { MockTransport, seeded } from '@cleocode/contracts/testing';
import { expect, it } from 'vitest';
import { until } from '../kernel.test.kit.ts';
import { HoldingJournal } from './holding-journal.test.kit.ts';
import { type Bench, startBench } from './inbox.test.kit.ts';
import { MemoryJournal } from './memory-journal.ts';

const CONVERSATIONS = ['a', 'b', 'c', 'd'];
const ROUNDS = 60;

/**
 * Messages with any hops come, pages are shown again and again, conversations are resumed at any time, and the agent restarts
 * where its journal lives on: everything is handled once, each conversation in order, and all of it acked.
 */
async function live(seed: number, journal: MemoryJournal, restarts: boolean): Promise<void> {
  const random = seeded(seed);
  const below = (n: number) => Math.floor(random() * n);
  const transport = new MockTransport();
  const handled: Record<string, number[]> = { a: [], b: [], c: [], d: [] };
  const sent: Record<string, number> = { a: 0, b: 0, c: 0, d: 0 };
  const start = () =>
    startBench({
      transport,
      journal,
      inbox: { maxHops: 3, capacity: 24, laneCapacity: 6, concurrency: 3, retryBaseMs: 1, retryMaxMs: 2 },
      handlers: [
        async ({ message: { threadId, content }, attempt }) => {
          if (attempt === 1 && content.endsWith('7')) throw new Error('not yet');
          await new Promise((resolve) => setImmediate(resolve));
          handled[threadId!]!.push(Number(content));
        },
      ],
    });
  let bench: Bench = await start();
  const page = async () => {
    let afterSeq = 0;
    for (;;) {
      const messages = await transport.poll({ afterSeq, limit: 10 });
      const { deferred } = bench.receive(messages, { name: 'poll', afterSeq });
      if (messages.length < 10 || deferred.length > 0) return;
      afterSeq = messages.at(-1)!.seq!;
    }
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (let n = below(6); n > 0; n--) {
      const threadId = CONVERSATIONS[below(4)]!;
      sent[threadId]! += 1;
      const metadata = random() < 0.5 ? nextHop(below(5)) : {};
      transport.deliver({ threadId, content: `${sent[threadId]}`, metadata });
    }
    await page();
    if (random() < 0.3) void bench.kernel.inbox.resume(CONVERSATIONS[below(4)]!);
    if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, below(4)));
    if (restarts && random() < 0.1) {
      await bench.kernel.stop();
      bench = await start();
    }
  }
  const resumeAll = ({ type, ...event }: InboxEvent) => {
    if (type === 'aside') void bench.kernel.inbox.resume((event as { conversation: string }).conversation);
  };
  bench.kernel.inbox.observe(resumeAll);
  for (const { conversation } of bench.kernel.inbox.aside()) void bench.kernel.inbox.resume(conversation);
  const unread = async () => (await transport.poll({ limit: 1 })).length;
  for (let pages = 0; pages < 500 && (await unread()) > 0; pages++) {
    await page();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const all = CONVERSATIONS.map((one) => Array.from({ length: sent[one]! }, (_, n) => n + 1));
  await until(() => Object.values(handled).flat().length >= all.flat().length);
  expect(CONVERSATIONS.map((one) => handled[one])).toEqual(all);
  await until(() => bench.kernel.inbox.aside().length === 0);
  expect(await bench.kernel.stop()).toMatchObject({ ok: true, released: [] });
}

const seeds = [1, 2, 3, 4, 5, 6];

it.each(seeds)(
  'with a journal that holds messages nothing is lost, repeated or out of order (seed %i)',
  (seed) => live(seed, new HoldingJournal(), true),
);

it.each(seeds)('with a journal that does not, neither (seed %i)', (seed) =>
  live(seed, new MemoryJournal(), false),
);
