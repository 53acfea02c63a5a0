import type { InboxEvent } from '@cleocode/contracts';
import { expect, it, vi } from 'vitest';
import { type Delivery, definePlugin } from '../index.ts';
import { gate, message, plugin, until } from '../kernel.test.kit.ts';
import { FaultyJournal, startBench } from './inbox.test.kit.ts';

it('tells its observers of each step of a message, in order', async () => {
  const bench = await startBench({
    handlers: [
      ({ attempt }) => {
        if (attempt === 1) throw new Error('not yet');
      },
    ],
    inbox: { retryBaseMs: 1, retryMaxMs: 1 },
  });
  const sent = message();
  bench.receive(sent, { name: 'sse' });
  await until(() => bench.eventsOf('done').length === 1);
  expect(bench.events).toEqual([
    { type: 'message', message: sent, attempt: 1, source: 'sse' },
    {
      type: 'failed',
      message: sent,
      attempt: 1,
      plugin: 'handler-1',
      error: new Error('not yet'),
      retryInMs: 1,
    },
    { type: 'message', message: sent, attempt: 2, source: 'sse' },
    { type: 'done', message: sent, attempt: 2, durationMs: expect.any(Number) },
  ]);
});

it('names the source and the attempt to the handler', async () => {
  const seen: Pick<Delivery, 'message' | 'attempt' | 'source'>[] = [];
  const bench = await startBench({
    handlers: [({ message: own, attempt, source }) => void seen.push({ message: own, attempt, source })],
  });
  const sent = message({ tags: ['a'] });
  bench.receive(sent, { name: 'push' });
  await until(() => seen.length === 1);
  expect(seen).toEqual([{ message: sent, attempt: 1, source: 'push' }]);
});

it('is not harmed by an observer that throws, says so, and goes on to the next', async () => {
  const bench = await startBench({ handlers: [() => {}] });
  const other: InboxEvent['type'][] = [];
  const stop = bench.kernel.inbox.observe(() => {
    throw new Error('bad observer');
  });
  bench.kernel.inbox.observe(({ type }) => void other.push(type));
  bench.receive(message());
  await until(() => bench.transport.acked.length === 1);
  expect(other).toEqual(['message', 'done']);
  expect(bench.log.records.filter(({ level }) => level === 'error')).toEqual([
    {
      level: 'error',
      message: 'an observer of the inbox threw',
      fields: { event: 'message', error: 'bad observer' },
    },
    {
      level: 'error',
      message: 'an observer of the inbox threw',
      fields: { event: 'done', error: 'bad observer' },
    },
  ]);
  stop();
  bench.receive(message());
  await until(() => bench.transport.acked.length === 2);
  expect(bench.log.at('error')).toHaveLength(2);
});

it('lets an observer hand in messages from inside an event, without overtaking', async () => {
  const order: string[] = [];
  const bench = await startBench({
    inbox: { laneCapacity: 1 },
    handlers: [({ message: { id } }) => void order.push(id)],
  });
  const later = [2, 3, 4].map((seq) => message({ id: `${seq}`, threadId: 't', seq }));
  bench.kernel.inbox.observe((event) => {
    if (event.type !== 'room') return;
    const at = order.length;
    bench.receive(later.slice(at - 1), { afterSeq: at });
  });
  bench.receive([message({ id: '1', threadId: 't', seq: 1 }), ...later], { afterSeq: 0 });
  await until(() => bench.transport.acked.length === 4);
  expect(order).toEqual(['1', '2', '3', '4']);
});

it('acks nothing and says so once while no plugin handles messages, and goes on when one does', async () => {
  const handler = vi.fn();
  let add = () => {};
  const latecomer = plugin('latecomer', (ctx) => {
    add = () => void ctx.on('message', handler);
  });
  const look = vi.fn();
  const bench = await startBench({
    plugins: [latecomer, plugin('filter', (ctx) => void ctx.on('message', look, { order: 'pre' }))],
  });
  bench.receive([message(), message({ threadId: 'other' })]);
  bench.receive(message({ threadId: 'third' }));
  expect(bench.kernel.inbox.stats()).toMatchObject({
    queued: 3,
    inFlight: 0,
    problems: [{ code: 'no_handler', message: 'no plugin handles messages: they wait at the backend' }],
  });
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(look).not.toHaveBeenCalled();
  expect(bench.transport.acked).toEqual([]);
  add();
  await until(() => bench.transport.acked.length === 3);
  expect(handler).toHaveBeenCalledTimes(3);
  expect(bench.eventsOf('problem').map(({ code, resolved }) => [code, resolved])).toEqual([
    ['no_handler', false],
    ['no_handler', true],
  ]);
});

it('does not take a filter that was added for somebody who handles messages', async () => {
  let add = () => {};
  const bench = await startBench({
    plugins: [
      plugin('latecomer', (ctx) => {
        add = () => void ctx.on('message', () => {}, { order: 'pre' });
      }),
    ],
  });
  bench.receive(message());
  add();
  expect(bench.eventsOf('problem')).toMatchObject([{ code: 'no_handler', resolved: false }]);
});

it('does not ack a message whose handlers were all turned off while it was on its way to them', async () => {
  const journal = new FaultyJournal();
  const { passed, open } = gate();
  const begin = journal.begin.bind(journal);
  journal.begin = ((key: string) => passed.then(() => begin(key))) as never;
  const first = vi.fn();
  const second = vi.fn();
  let off = () => {};
  let add = () => {};
  const swapping = definePlugin({
    name: 'swapping',
    version: '1.0.0',
    apiVersion: 1,
    setup(ctx) {
      off = ctx.on('message', first);
      add = () => void ctx.on('message', ({ attempt }) => second(attempt));
      ctx.on('message', () => {}, { order: 'pre' });
    },
  });
  const bench = await startBench({ journal, plugins: [swapping()] });
  const sent = message();
  bench.receive(sent);
  off();
  open();
  await until(() => bench.eventsOf('problem').length === 1);
  expect(bench.transport.acked).toEqual([]);
  expect(journal.methodsFor(sent.id)).toEqual(['begin', 'release']);
  add();
  await until(() => bench.transport.acked.length === 1);
  expect(first).not.toHaveBeenCalled();
  expect(second.mock.calls).toEqual([[1]]);
});

it('says once that it takes nothing more in, before what is being handled has finished', async () => {
  const { passed, open } = gate();
  const bench = await startBench({ handlers: [() => passed] });
  bench.receive(message());
  await until(() => bench.eventsOf('message').length === 1);
  const stopped = bench.kernel.stop();
  await until(() => bench.eventsOf('closed').length === 1);
  expect(bench.eventsOf('done')).toEqual([]);
  open();
  await stopped;
  expect(bench.events.map(({ type }) => type)).toEqual(['message', 'closed', 'done']);
});
