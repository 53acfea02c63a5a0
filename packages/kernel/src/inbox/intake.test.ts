import { services } from '@cleocode/contracts';
import { expect, it, vi } from 'vitest';
import { definePlugin } from '../index.ts';
import { gate, message, plugin, until } from '../kernel.test.kit.ts';
import { FaultyJournal, startBench } from './inbox.test.kit.ts';
import { MemoryJournal } from './memory-journal.ts';

it('hands a message to the handlers, journals it as done, and acks it only then', async () => {
  const journal = new FaultyJournal();
  const sequence: string[] = [];
  const done = journal.done.bind(journal);
  journal.done = (key) => {
    sequence.push('done');
    return done(key);
  };
  const bench = await startBench({
    journal,
    handlers: [() => void sequence.push('handled')],
  });
  const ack = bench.transport.ack.bind(bench.transport);
  bench.transport.ack = (ids) => {
    sequence.push(`acked ${ids}`);
    return ack(ids);
  };
  const sent = message();
  expect(bench.receive(sent)).toEqual({ accepted: 1, duplicates: 0, deferred: [] });
  await until(() => sequence.length === 3);
  expect(sequence).toEqual(['handled', 'done', `acked ${sent.id}`]);
  expect(bench.kernel.inbox.stats()).toEqual({
    inFlight: 0,
    queued: 0,
    done: 1,
    failed: 0,
    dead: 0,
    dropped: 0,
    unacked: 0,
    problems: [],
  });
});

it('acks nothing that came from a source whose ids are not for acking', async () => {
  const bench = await startBench({ handlers: [() => {}] });
  bench.receive(message({ id: 'history' }), { name: 'group', ackable: false });
  bench.receive(message({ id: 'own copy' }));
  await until(() => bench.transport.acked.length > 0);
  expect(bench.transport.acked).toEqual(['own copy']);
  expect(bench.kernel.inbox.stats()).toMatchObject({ done: 2, unacked: 0 });
});

it("skips the agent's own messages, and acks them where they can be acked", async () => {
  const handler = vi.fn();
  const bench = await startBench({ handlers: [handler] });
  const own = [message({ id: 'echo', from: 'me' }), message({ id: 'history', from: 'me' })];
  expect(bench.receive(own[0]!)).toEqual({ accepted: 0, duplicates: 1, deferred: [] });
  expect(bench.receive(own[1]!, { ackable: false })).toEqual({ accepted: 0, duplicates: 1, deferred: [] });
  await until(() => bench.transport.acked.length > 0);
  expect(bench.transport.acked).toEqual(['echo']);
  expect(handler).not.toHaveBeenCalled();
});

it('takes nobody for itself in a kernel without an agent', async () => {
  const handler = vi.fn();
  const bench = await startBench({ agent: undefined, transport: undefined, handlers: [handler] });
  bench.receive(message({ id: 'from nobody', from: '' }));
  bench.receive(message());
  await until(() => handler.mock.calls.length === 1);
  expect(bench.eventsOf('dead')).toMatchObject([{ message: { id: 'from nobody' } }]);
});

it('counts a message that is in flight already as a duplicate', async () => {
  const { passed, open } = gate();
  const handler = vi.fn(() => passed);
  const bench = await startBench({ handlers: [handler] });
  const sent = message();
  expect(bench.receive([sent, sent])).toEqual({ accepted: 1, duplicates: 1, deferred: [] });
  expect(bench.receive(sent, { name: 'push' })).toEqual({ accepted: 0, duplicates: 1, deferred: [] });
  open();
  await until(() => bench.transport.acked.length > 0);
  expect(handler).toHaveBeenCalledOnce();
  expect(bench.transport.acked).toEqual([sent.id]);
});

it('acks a message again that was done before, without handing it out', async () => {
  const handler = vi.fn();
  const bench = await startBench({ handlers: [handler] });
  const sent = message();
  bench.receive(sent);
  await until(() => bench.transport.acked.length === 1);
  expect(bench.receive(sent).accepted).toBe(1);
  await until(() => bench.transport.acked.length === 2);
  expect(handler).toHaveBeenCalledOnce();
  expect(bench.transport.acked).toEqual([sent.id, sent.id]);
  expect(bench.eventsOf('known')).toEqual([{ type: 'known', message: sent }]);
  expect(bench.kernel.inbox.stats().done).toBe(1);
});

it('gets through any number of known messages at once', async () => {
  const journal = new MemoryJournal();
  const sent = Array.from({ length: 40_000 }, (_, n) => message({ threadId: `${n % 3}` }));
  for (const { id } of sent) journal.done(id);
  const handler = vi.fn();
  const inbox = { capacity: 50_000, laneCapacity: 50_000, concurrency: 1 };
  const bench = await startBench({ journal, handlers: [handler], inbox });
  bench.receive(sent, { ackable: false });
  expect(bench.kernel.inbox.stats()).toMatchObject({ queued: 0, inFlight: 0 });
  expect(bench.events).toHaveLength(40_000);
  expect(handler).not.toHaveBeenCalled();
});

it('acks a dead letter again without handing it out', async () => {
  const handler = vi.fn(() => Promise.reject(new Error('cannot')));
  const bench = await startBench({ handlers: [handler], inbox: { maxAttempts: 1 } });
  const sent = message();
  bench.receive(sent);
  await until(() => bench.transport.acked.length === 1);
  bench.receive(sent);
  await until(() => bench.transport.acked.length === 2);
  expect(handler).toHaveBeenCalledOnce();
});

it('knows after a restart what an earlier process finished, from its journal', async () => {
  const journal = new FaultyJournal();
  const sent = Array.from({ length: 50 }, () => message());
  const first = await startBench({ journal, handlers: [() => {}] });
  first.receive(sent);
  await until(() => first.transport.acked.length === 50);
  await first.kernel.stop();

  const handler = vi.fn();
  const second = await startBench({ journal, handlers: [handler] });
  second.receive(sent);
  await until(() => second.transport.acked.length === 50);
  expect(handler).not.toHaveBeenCalled();
});

it('handles the copies of one group message once, and acks every copy that may be acked', async () => {
  const { passed, open } = gate();
  const handler = vi.fn(() => passed);
  const bench = await startBench({ handlers: [handler] });
  const copy = (id: string) => message({ id, groupId: 'group message', threadId: 'group' });
  expect(bench.receive(copy('history'), { name: 'group', ackable: false }).accepted).toBe(1);
  expect(bench.receive([copy('mine'), copy('mine'), copy('mine too')]).duplicates).toBe(3);
  expect(bench.receive(copy("another's"), { name: 'group', ackable: false }).duplicates).toBe(1);
  open();
  await until(() => bench.transport.acked.length === 2);
  bench.receive(copy('late'));
  await until(() => bench.transport.acked.length === 3);
  expect(handler).toHaveBeenCalledOnce();
  expect(bench.transport.acked).toEqual(['mine', 'mine too', 'late']);
});

it('sets aside what is no message and cannot be acked, says so, and takes the others of its page', async () => {
  const handled: string[] = [];
  const bench = await startBench({ handlers: [({ message: { id } }) => void handled.push(id)] });
  const bad = [null, 'text', {}, message({ id: '' })];
  const page = [message({ id: 'first' }), ...(bad as never[]), message({ id: 'last' })];
  expect(bench.receive(page)).toEqual({ accepted: 2, duplicates: 0, deferred: [] });
  await until(() => handled.length === 2);
  expect(handled).toEqual(['first', 'last']);
  expect(bench.log.at('error')).toEqual(
    Array(bad.length).fill('a message without id, sender or text content is set aside'),
  );
});

it('buries what is no message under its id and acks it, so that it does not come back for ever', async () => {
  const handled: string[] = [];
  const journal = new FaultyJournal();
  const bench = await startBench({ journal, handlers: [({ message: { id } }) => void handled.push(id)] });
  const nobody = message({ id: 'nobody', from: 7 as never, threadId: 't' });
  const empty = message({ id: 'empty', content: { text: 'x' } as never, threadId: 't' });
  bench.receive([nobody, empty, message({ id: 'good', threadId: 't' })]);
  await until(() => bench.transport.acked.length === 3);
  expect(handled).toEqual(['good']);
  expect(bench.transport.acked.sort()).toEqual(['empty', 'good', 'nobody']);
  expect(bench.eventsOf('dead')).toMatchObject([
    {
      message: { id: 'nobody', from: 'unknown' },
      error: expect.stringMatching(/lacks an id, a sender or text/),
    },
    { message: { id: 'empty', content: expect.stringContaining('"text":"x"') } },
  ]);
  bench.receive([nobody]);
  await until(() => bench.transport.acked.length === 4);
  expect(journal.methodsFor('nobody')).toEqual(['begin', 'dead', 'begin']);
});

it('neither buries nor acks what a source shows that may not be acked', async () => {
  const bench = await startBench({ handlers: [() => {}] });
  bench.receive(message({ id: 'copy', from: '' }), { ackable: false });
  expect(bench.log.at('error')).toEqual(['a message without id, sender or text content is set aside']);
  expect(bench.kernel.inbox.stats()).toMatchObject({ queued: 0, inFlight: 0 });
});

it('takes messages in from the start hook on, and hands them out once every plugin has started', async () => {
  const sequence: string[] = [];
  const source = definePlugin({
    name: 'source',
    version: '1.0.0',
    apiVersion: 1,
    requires: { inbox: services.inbox },
    setup(ctx, _options, { inbox }) {
      ctx.on('init', () => void sequence.push(`room in init: ${inbox.room}`));
      ctx.on('start', () => {
        const { accepted } = inbox.receive([message()], { name: 'poll', ackable: true });
        sequence.push(`accepted in start: ${accepted}`);
      });
    },
  });
  const late = plugin('late', (ctx) => {
    ctx.on('start', async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      sequence.push('late started');
    });
    ctx.on('message', () => void sequence.push('handled'));
  });
  await startBench({ plugins: [source(), late] });
  await until(() => sequence.includes('handled'));
  expect(sequence).toEqual(['room in init: 0', 'accepted in start: 1', 'late started', 'handled']);
});

it('takes nothing in before it is attached and after it was closed', async () => {
  const bench = await startBench({ handlers: [() => {}] });
  await bench.kernel.stop();
  const sent = [message(), message()];
  expect(bench.receive(sent)).toEqual({ accepted: 0, duplicates: 0, deferred: sent });
  expect(bench.kernel.inbox.room).toBe(0);
});
