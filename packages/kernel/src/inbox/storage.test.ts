import { CleoError } from '@cleocode/contracts';
import { expect, it, vi } from 'vitest';
import { message, never, until } from '../kernel.test.kit.ts';
import { FaultyJournal, startBench } from './inbox.test.kit.ts';

const full = () => new CleoError('E_STORAGE_FULL', 'no space left on the device');
const QUICK = { retryBaseMs: 1, retryMaxMs: 1 };

it('hands nothing out and acks nothing while the disk is full, and goes on when there is space', async () => {
  const journal = new FaultyJournal();
  journal.broken.set('begin', full());
  const handler = vi.fn();
  const bench = await startBench({ journal, handlers: [handler] });
  bench.receive([message({ threadId: 'a' }), message({ threadId: 'b' }), message({ threadId: 'a' })]);
  await until(() => journal.calls.length >= 4);
  expect(handler).not.toHaveBeenCalled();
  expect(bench.transport.acked).toEqual([]);
  expect(bench.kernel.inbox.stats()).toMatchObject({
    queued: 3,
    problems: [{ code: 'storage_full', message: 'no space left on the device' }],
  });
  journal.broken.clear();
  await until(() => bench.transport.acked.length === 3);
  expect(handler).toHaveBeenCalledTimes(3);
  expect(bench.eventsOf('problem').map(({ code, resolved }) => [code, resolved])).toEqual([
    ['storage_full', false],
    ['storage_full', true],
  ]);
});

it('does not ack, and does not hand out again, what was handled but could not be noted as done', async () => {
  const journal = new FaultyJournal();
  journal.broken.set('done', full());
  const handler = vi.fn();
  const bench = await startBench({ journal, handlers: [handler] });
  const sent = message();
  bench.receive(sent);
  await until(() => journal.methodsFor(sent.id).filter((method) => method === 'done').length >= 2);
  bench.receive(sent);
  expect(bench.transport.acked).toEqual([]);
  expect(bench.eventsOf('done')).toEqual([]);
  journal.broken.clear();
  await until(() => bench.transport.acked.length === 1);
  expect(handler).toHaveBeenCalledOnce();
  expect(bench.eventsOf('done')).toHaveLength(1);
});

it('does not retry, and does not ack, before a failure or a dead letter is noted', async () => {
  const journal = new FaultyJournal();
  journal.broken.set('failed', full());
  journal.broken.set('dead', full());
  const handler = vi.fn(() => Promise.reject(new Error('cannot')));
  const bench = await startBench({ journal, handlers: [handler], inbox: { ...QUICK, maxAttempts: 2 } });
  const sent = message();
  const tries = (method: string) => journal.methodsFor(sent.id).filter((one) => one === method).length;
  bench.receive(sent);
  await until(() => tries('failed') >= 2);
  expect(handler).toHaveBeenCalledTimes(1);
  journal.broken.delete('failed');
  await until(() => tries('dead') >= 2);
  expect(handler).toHaveBeenCalledTimes(2);
  expect(bench.eventsOf('dead')).toEqual([]);
  expect(bench.transport.acked).toEqual([]);
  journal.broken.clear();
  await until(() => bench.transport.acked.length === 1);
  expect(bench.eventsOf('dead')).toHaveLength(1);
  expect(handler).toHaveBeenCalledTimes(2);
});

it('gives the slot of a handler back while the journal is waited for', async () => {
  const journal = new FaultyJournal();
  journal.broken.set('done', full());
  const handled: string[] = [];
  const bench = await startBench({
    journal,
    inbox: { concurrency: 1 },
    handlers: [({ message: { threadId } }) => void handled.push(threadId!)],
  });
  bench.receive(['a', 'b', 'c'].map((threadId) => message({ threadId })));
  await until(() => handled.length === 3);
  expect(bench.kernel.inbox.stats()).toMatchObject({ inFlight: 0, queued: 3, done: 0 });
  journal.broken.clear();
});

it('stops in time while the disk is full, and gives back what is not noted as done', async () => {
  const journal = new FaultyJournal();
  journal.broken.set('done', full());
  const bench = await startBench({ journal, handlers: [() => {}], timeouts: { drainMs: 20 } });
  const sent = message();
  bench.receive(sent);
  await until(() => bench.eventsOf('problem').length === 1);
  const report = await bench.kernel.stop();
  expect(report).toMatchObject({ drained: false, released: [{ messageId: sent.id }], ok: true });
  expect(report.durationMs).toBeLessThan(8_000);
  expect(bench.transport.acked).toEqual([]);
});

it('stops in time when the journal never answers', async () => {
  const journal = new FaultyJournal();
  journal.begin = never as never;
  const bench = await startBench({ journal, handlers: [() => {}], timeouts: { drainMs: 20 } });
  const sent = message();
  bench.receive(sent);
  const report = await bench.kernel.stop();
  expect(report).toMatchObject({ drained: false, released: [{ messageId: sent.id }], ok: true });
  expect(report.durationMs).toBeLessThan(8_000);
});

it('says in the log what keeps the inbox from working, and when it works again', async () => {
  const journal = new FaultyJournal();
  journal.broken.set('begin', full());
  const bench = await startBench({ journal, handlers: [() => {}] });
  bench.receive(message());
  await until(() => bench.eventsOf('problem').length === 1);
  journal.broken.clear();
  await until(() => bench.eventsOf('problem').length === 2);
  const fields = {
    inboxEvent: 'problem',
    code: 'storage_full',
    problem: 'no space left on the device',
    hint: expect.any(String),
  };
  expect(bench.log.records.filter(({ fields: { code } }) => code)).toEqual([
    { level: 'error', message: 'the inbox cannot work', fields },
    { level: 'info', message: 'the inbox works again', fields },
  ]);
});
