import { CleoError, services } from '@cleocode/contracts';
import { expect, it, vi } from 'vitest';
import { type Delivery, definePlugin } from '../index.ts';
import { gate, kernelOf, message, never, plugin, rejection, until } from '../kernel.test.kit.ts';
import { FaultyJournal, startBench } from './inbox.test.kit.ts';

it('lets handlers at work finish, and acks what they finished before the transport goes', async () => {
  const { passed, open } = gate();
  const begun = gate();
  const bench = await startBench({
    handlers: [
      async () => {
        begun.open();
        await passed;
      },
    ],
  });
  const sent = message();
  bench.receive(sent);
  await begun.passed;
  const stopping = bench.kernel.stop();
  expect(bench.receive(message()).deferred).toHaveLength(1);
  open();
  expect(await stopping).toMatchObject({ drained: true, released: [], ok: true });
  expect(bench.transport.acked).toEqual([sent.id]);
  expect(bench.transport.connected).toBe(false);
});

it('starts nothing that waits: it stays unread, and is not listed as given up', async () => {
  const { passed, open } = gate();
  const handled: string[] = [];
  const journal = new FaultyJournal();
  const bench = await startBench({
    journal,
    inbox: { concurrency: 1 },
    handlers: [
      async ({ message: { id } }) => {
        await passed;
        handled.push(id);
      },
    ],
  });
  bench.receive([
    message({ id: 'at work', threadId: 'a' }),
    message({ id: 'behind it', threadId: 'a' }),
    message({ id: 'waiting', threadId: 'b' }),
  ]);
  await until(() => bench.kernel.inbox.stats().inFlight === 1);
  const stopping = bench.kernel.stop();
  open();
  expect(await stopping).toMatchObject({ drained: true, released: [] });
  expect(handled).toEqual(['at work']);
  expect(bench.transport.acked).toEqual(['at work']);
  expect(journal.calls).toEqual([
    ['begin', 'at work'],
    ['done', 'at work'],
  ]);
});

it('with five short and five endless handlers: the short ones finish, the endless ones are given back', async () => {
  const journal = new FaultyJournal();
  const { passed, open } = gate();
  const ended: Delivery[] = [];
  const bench = await startBench({
    journal,
    timeouts: { drainMs: 50 },
    handlers: [
      async (delivery) => {
        if (!delivery.message.threadId!.startsWith('endless')) return passed;
        delivery.signal.addEventListener('abort', () => ended.push(delivery));
        return never();
      },
    ],
  });
  const names = (kind: string) => Array.from({ length: 5 }, (_, n) => `${kind} ${n}`);
  bench.receive(
    [...names('short'), ...names('endless')].map((name) => message({ id: name, threadId: name })),
  );
  await until(() => bench.kernel.inbox.stats().inFlight === 10);
  const stopping = bench.kernel.stop();
  open();
  const report = await stopping;
  expect(report).toMatchObject({
    drained: false,
    released: names('endless').map((messageId) => ({ messageId })),
    ok: true,
    forced: [],
  });
  expect(report.durationMs).toBeLessThan(4_000);
  expect(bench.transport.acked).toEqual(names('short'));
  expect(ended.map(({ message: { id } }) => id)).toEqual(names('endless'));
  for (const { signal } of ended) expect(signal.reason).toMatchObject({ message: 'the kernel is stopping' });
  expect(journal.methodsFor('endless 0')).toEqual(['begin', 'release']);

  // The next start runs exactly the five, and the attempt that was cut short does not count.
  const attempts: [string, number][] = [];
  const next = await startBench({
    journal,
    handlers: [({ message: { id }, attempt }) => void attempts.push([id, attempt])],
  });
  next.receive([...names('short'), ...names('endless')].map((name) => message({ id: name, threadId: name })));
  await until(() => next.transport.acked.length === 10);
  expect(attempts).toEqual(names('endless').map((name) => [name, 1]));
});

it('runs no handler after the one that a stop cut short', async () => {
  const second = vi.fn();
  const bench = await startBench({ timeouts: { drainMs: 5 }, handlers: [never, second] });
  bench.receive(message());
  await until(() => bench.kernel.inbox.stats().inFlight === 1);
  await bench.kernel.stop();
  expect(second).not.toHaveBeenCalled();
  expect(bench.eventsOf('done')).toEqual([]);
  expect(bench.eventsOf('failed')).toEqual([]);
});

it('refuses what a handler sends after the stop gave it up', async () => {
  const late = gate();
  const refused: unknown[] = [];
  const bench = await startBench({
    timeouts: { drainMs: 5 },
    handlers: [
      async (delivery) => {
        await late.passed;
        refused.push(await rejection(delivery.reply('too late')));
      },
    ],
  });
  bench.receive(message());
  await until(() => bench.kernel.inbox.stats().inFlight === 1);
  await bench.kernel.stop();
  late.open();
  await until(() => refused.length === 1);
  expect(refused).toMatchObject([{ code: 'E_DELIVERY_OVER', cause: { message: 'the kernel is stopping' } }]);
});

it('does not begin a handler for a message whose attempt was still being noted when the stop came', async () => {
  const journal = new FaultyJournal();
  const { passed, open } = gate();
  const begin = journal.begin.bind(journal);
  journal.begin = ((key: string) => passed.then(() => begin(key))) as never;
  const handler = vi.fn();
  const bench = await startBench({ journal, handlers: [handler] });
  const sent = message();
  bench.receive(sent);
  const stopping = bench.kernel.stop();
  open();
  expect(await stopping).toMatchObject({ drained: true, released: [] });
  expect(handler).not.toHaveBeenCalled();
  expect(journal.methodsFor(sent.id)).toEqual(['begin', 'release']);
});

it('does not wait for a retry, and keeps the failure counted for the next start', async () => {
  const journal = new FaultyJournal();
  const bench = await startBench({
    journal,
    handlers: [() => Promise.reject(new Error('cannot'))],
    inbox: { retryBaseMs: 60_000 },
  });
  const sent = message();
  bench.receive(sent);
  await until(() => bench.eventsOf('failed').length === 1);
  const report = await bench.kernel.stop();
  expect(report).toMatchObject({ drained: true, released: [] });
  expect(report.durationMs).toBeLessThan(8_000);
  expect(journal.begin(sent.id)).toEqual({ state: 'begun', attempt: 2, failures: 1 });
});

it('says that an attempt it gave back stays counted when the journal does not take it', async () => {
  const journal = new FaultyJournal();
  const error = new CleoError('E_STORAGE_IO', 'cannot write');
  journal.broken.set('release', error);
  const bench = await startBench({ journal, timeouts: { drainMs: 5 }, handlers: [never] });
  const sent = message();
  bench.receive(sent);
  await until(() => bench.kernel.inbox.stats().inFlight === 1);
  expect(await bench.kernel.stop()).toMatchObject({ drained: false, released: [{ messageId: sent.id }] });
  expect(bench.log.records).toContainEqual({
    level: 'warn',
    message: 'could not release an attempt',
    fields: { messageId: sent.id, error: 'cannot write' },
  });
});

it('does not wait long for acks that do not get through', async () => {
  const bench = await startBench({ handlers: [() => {}] });
  bench.transport.ack = never;
  bench.receive(message());
  await until(() => bench.kernel.inbox.stats().done === 1);
  const report = await bench.kernel.stop();
  expect(report).toMatchObject({ drained: true, ok: true });
  expect(report.durationMs).toBeLessThan(4_000);
});

it('forgets in a failed start what was received before: it is unread at the backend', async () => {
  const handler = vi.fn();
  const source = definePlugin({
    name: 'source',
    version: '1.0.0',
    apiVersion: 1,
    requires: { inbox: services.inbox },
    setup(ctx, _options, { inbox }) {
      ctx.on('start', () => void inbox.receive([message()], { name: 'poll', ackable: true }));
      ctx.on('message', handler);
    },
  });
  const broken = plugin('broken', (ctx) => void ctx.on('start', () => Promise.reject('no')));
  const kernel = kernelOf({ plugins: [source(), broken] });
  await rejection(kernel.start());
  expect(handler).not.toHaveBeenCalled();
  expect(await kernel.stop()).toMatchObject({ drained: true, released: [], ok: true });
});
