import type { ConduitMessage } from '@cleocode/contracts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { gate, message, until } from '../kernel.test.kit.ts';
import { startBench } from './inbox.test.kit.ts';

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it('keeps the order inside each conversation under random delays and failures, 16 handlers at once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ conversation: fc.nat(9), ms: fc.nat(3), failures: fc.nat(2) }), {
        minLength: 1,
        maxLength: 120,
      }),
      async (plan) => {
        const handled: Record<number, number[]> = {};
        let running = 0;
        let most = 0;
        const inside = new Set<string>();
        const bench = await startBench({
          inbox: { concurrency: 16, retryBaseMs: 1, retryMaxMs: 1 },
          handlers: [
            async ({ message: { content, threadId }, attempt }) => {
              expect(inside.has(threadId!)).toBe(false);
              inside.add(threadId!);
              most = Math.max(most, ++running);
              const { conversation, ms, failures } = plan[Number(content)]!;
              if (ms > 0) await later(ms);
              running -= 1;
              inside.delete(threadId!);
              if (attempt <= failures) throw new Error('not yet');
              handled[conversation] = [...(handled[conversation] ?? []), Number(content)];
            },
          ],
        });
        bench.receive(
          plan.map(({ conversation }, n) => message({ threadId: `t${conversation}`, content: `${n}` })),
        );
        await until(() => bench.transport.acked.length === plan.length);
        await bench.kernel.stop();
        for (const order of Object.values(handled)) expect(order).toEqual(order.toSorted((a, b) => a - b));
        expect(Object.values(handled).flat()).toHaveLength(plan.length);
        expect(most).toBeLessThanOrEqual(Math.min(16, new Set(plan.map((one) => one.conversation)).size));
      },
    ),
    { numRuns: 25 },
  );
});

it('handles 50 conversations of 200 messages in order at concurrency 16', async () => {
  const handled = new Map<string, number[]>();
  const bench = await startBench({
    inbox: { concurrency: 16, capacity: 10_000, laneCapacity: 200 },
    handlers: [
      async ({ message: { threadId, content } }) => {
        await new Promise((resolve) => setImmediate(resolve));
        handled.set(threadId!, [...(handled.get(threadId!) ?? []), Number(content)]);
      },
    ],
  });
  for (let n = 0; n < 200; n++)
    bench.receive(
      Array.from({ length: 50 }, (_, conversation) =>
        message({ threadId: `t${conversation}`, content: `${n}` }),
      ),
    );
  await until(() => bench.kernel.inbox.stats().done === 10_000);
  expect(handled.size).toBe(50);
  const whole = Array.from({ length: 200 }, (_, n) => n);
  for (const order of handled.values()) expect(order).toEqual(whole);
});

it('works on as many conversations at once as it may, and no more', async () => {
  const { passed, open } = gate();
  const begun: string[] = [];
  const bench = await startBench({
    inbox: { concurrency: 3 },
    handlers: [
      ({ message: { threadId } }) => {
        begun.push(threadId!);
        return passed;
      },
    ],
  });
  bench.receive([1, 2, 3, 4, 5].map((n) => message({ threadId: `t${n}` })));
  await until(() => begun.length === 3);
  expect(bench.kernel.inbox.stats()).toMatchObject({ inFlight: 3, queued: 2 });
  open();
  await until(() => bench.kernel.inbox.stats().done === 5);
  expect(begun).toEqual(['t1', 't2', 't3', 't4', 't5']);
});

it('takes the conversations in turn: a long one does not go first', async () => {
  const order: string[] = [];
  const bench = await startBench({
    inbox: { concurrency: 1 },
    handlers: [({ message: { threadId } }) => void order.push(threadId!)],
  });
  bench.receive([
    ...Array.from({ length: 5 }, () => message({ threadId: 'long' })),
    message({ threadId: 'short' }),
    message({ threadId: 'other' }),
  ]);
  await until(() => order.length === 7);
  expect(order.slice(0, 4)).toEqual(['long', 'short', 'other', 'long']);
});

it('takes for one conversation: the same thread, else the same group message, else the same sender', async () => {
  const { passed, open } = gate();
  const begun: string[] = [];
  const bench = await startBench({
    handlers: [
      ({ message: { id } }) => {
        begun.push(id);
        return passed;
      },
    ],
  });
  const send = (id: string, parts: Partial<ConduitMessage>) => bench.receive(message({ id, ...parts }));
  send('thread 1', { threadId: 't', from: 'ann' });
  send('thread 2', { threadId: 't', from: 'bob' });
  send('sender 1', { from: 'ann' });
  send('sender 2', { from: 'ann' });
  send('group', { groupId: 'g', from: 'ann' });
  await until(() => begun.length === 3);
  expect(begun).toEqual(['thread 1', 'sender 1', 'group']);
  open();
  await until(() => begun.length === 5);
});
