import fc from 'fast-check';
import { expect, it, onTestFinished, vi } from 'vitest';
import { gate, kernelOf, message, rejection, until } from '../kernel.test.kit.ts';
import { type Bench, type BenchOptions, startBench } from './inbox.test.kit.ts';

/** A bench whose only handler waits until the test lets everything through. */
async function stuckBench(options: BenchOptions = {}): Promise<Bench & { open(): void }> {
  const { passed, open } = gate();
  const bench = await startBench({ handlers: [() => passed], ...options });
  onTestFinished(open);
  return { ...bench, open };
}

const batch = (size: number, threadId: string, from = 1) =>
  Array.from({ length: size }, (_, n) => message({ threadId, seq: from + n }));

it('holds no more messages than its capacity, and defers the rest in order', async () => {
  const bench = await stuckBench({ inbox: { capacity: 10, laneCapacity: 4 } });
  const { inbox } = bench.kernel;
  expect(inbox.room).toBe(10);
  const sent = ['a', 'b', 'c', 'd'].flatMap((thread) => batch(4, thread));
  const { accepted, deferred } = bench.receive(sent);
  expect(accepted).toBe(10);
  expect(deferred).toEqual(sent.slice(10));
  expect(inbox.room).toBe(0);
  expect(inbox.stats()).toMatchObject({ inFlight: 3, queued: 7 });
});

it('holds no more messages of one conversation than its share', async () => {
  const bench = await stuckBench({ inbox: { capacity: 10, laneCapacity: 4 } });
  const stuck = batch(6, 'stuck');
  expect(bench.receive(stuck).deferred).toEqual(stuck.slice(4));
  expect(bench.kernel.inbox.room).toBe(6);
  expect(bench.receive(batch(3, 'free')).accepted).toBe(3);
});

it('takes nothing more once it holds as much content as it may, however few the messages', async () => {
  const bench = await stuckBench({ inbox: { capacityBytes: 100 } });
  const long = Array.from({ length: 4 }, (_, n) => message({ threadId: `${n}`, content: 'x'.repeat(40) }));
  expect(bench.receive(long)).toMatchObject({ accepted: 3, deferred: [long[3]] });
  expect(bench.kernel.inbox.room).toBe(0);
  bench.open();
  await until(() => bench.kernel.inbox.stats().done === 3);
  expect(bench.kernel.inbox.room).toBeGreaterThan(0);
  expect(bench.receive(long[3]!, { afterSeq: 0 }).accepted).toBe(1);
});

it('takes a message larger than all its room, when it holds nothing else', async () => {
  const bench = await startBench({ handlers: [() => {}], inbox: { capacityBytes: 10 } });
  expect(bench.receive(message({ content: 'x'.repeat(1_000) })).accepted).toBe(1);
  await until(() => bench.kernel.inbox.stats().done === 1);
});

it('lets one conversation with 10,000 messages that does not move starve nobody', async () => {
  const { passed, open } = gate();
  const free: string[] = [];
  const bench = await startBench({
    handlers: [({ message: { threadId, id } }) => (threadId === 'stuck' ? passed : void free.push(id))],
  });
  const backend = [...batch(10_000, 'stuck')];
  for (let n = 1; n <= 300; n++) backend.push(message({ threadId: `free ${n % 3}`, seq: 10_000 + n }));
  for (let at = 0; at < backend.length; at += 200)
    bench.receive(backend.slice(at, at + 200), { afterSeq: at });
  await until(() => free.length === 300);
  expect(bench.kernel.inbox.stats()).toMatchObject({ inFlight: 1, queued: 127 });
  open();
});

it('says that there is room again when half and when all of what was full is free', async () => {
  const gates = Array.from({ length: 4 }, gate);
  const bench = await startBench({
    inbox: { capacity: 4 },
    handlers: [({ message: { threadId } }) => gates[Number(threadId)]!.passed],
  });
  const rooms = () => bench.eventsOf('room').length;
  bench.receive(['0', '1', '2', '3'].map((threadId) => message({ threadId })));
  bench.receive(message());
  const done = async (n: number) => {
    gates[n]!.open();
    await until(() => bench.kernel.inbox.stats().done === n + 1);
  };
  await done(0);
  expect(rooms()).toBe(0);
  await done(1);
  expect(rooms()).toBe(1);
  await done(2);
  expect(rooms()).toBe(1);
  await done(3);
  expect(rooms()).toBe(2);
});

it('says so for a single conversation that was full, and for what no page can bring back', async () => {
  const bench = await stuckBench({ inbox: { laneCapacity: 2 } });
  bench.receive(batch(3, 'thread'), { ackable: false });
  bench.open();
  await until(() => bench.kernel.inbox.stats().done === 2);
  expect(bench.eventsOf('room')).toHaveLength(2);
});

it('says nothing of room that nobody was denied', async () => {
  const bench = await startBench({ handlers: [() => {}], inbox: { capacity: 2 } });
  bench.receive([message(), message({ threadId: 'other' })]);
  await until(() => bench.kernel.inbox.stats().done === 2);
  expect(bench.eventsOf('room')).toEqual([]);
});

it('wakes those who wait for room once there is room for a page', async () => {
  const bench = await stuckBench({ inbox: { capacity: 16, concurrency: 16 } });
  bench.receive(Array.from({ length: 16 }, (_, n) => message({ threadId: `${n}` })));
  const { signal } = new AbortController();
  const woken = vi.fn();
  void bench.kernel.inbox.waitForRoom(signal).then(() => woken(bench.kernel.inbox.room));
  await null;
  expect(woken).not.toHaveBeenCalled();
  bench.open();
  await until(() => woken.mock.calls.length === 1);
  expect(woken.mock.lastCall![0]).toBeGreaterThanOrEqual(2);
});

it('wakes those who waited for room since before the inbox opened', async () => {
  const kernel = kernelOf({});
  const waiting = kernel.inbox.waitForRoom(AbortSignal.timeout(2_000));
  await kernel.start();
  await waiting;
  expect(kernel.inbox.room).toBe(1_024);
});

it('does not wait for room that is there, and ends the wait with the reason of the signal', async () => {
  const bench = await stuckBench({ inbox: { capacity: 1 } });
  const abort = new AbortController();
  await bench.kernel.inbox.waitForRoom(abort.signal);
  bench.receive(message());
  const waiting = rejection(bench.kernel.inbox.waitForRoom(abort.signal));
  const reason = new Error('stopping');
  abort.abort(reason);
  expect(await waiting).toBe(reason);
  expect(await rejection(bench.kernel.inbox.waitForRoom(abort.signal))).toBe(reason);
});

it('never holds more than its bounds, whatever arrives', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        capacity: fc.integer({ min: 1, max: 20 }),
        laneCapacity: fc.integer({ min: 1, max: 10 }),
        sizes: fc.array(fc.record({ thread: fc.nat(4), size: fc.nat(15), page: fc.boolean() }), {
          maxLength: 15,
        }),
      }),
      async ({ sizes, ...limits }) => {
        const bench = await stuckBench({ inbox: { ...limits, concurrency: 1 } });
        let accepted = 0;
        let seq = 0;
        for (const { thread, size, page } of sizes) {
          const result = bench.receive(batch(size, `${thread}`, seq + 1), page ? { afterSeq: 0 } : {});
          seq += size;
          accepted += result.accepted;
          expect(result.accepted + result.deferred.length).toBe(size);
        }
        const { inFlight, queued } = bench.kernel.inbox.stats();
        expect(inFlight + queued).toBe(accepted);
        expect(accepted).toBeLessThanOrEqual(limits.capacity);
        expect(bench.kernel.inbox.room).toBe(limits.capacity - accepted);
        bench.open();
        await bench.kernel.stop();
      },
    ),
    { numRuns: 50 },
  );
});
