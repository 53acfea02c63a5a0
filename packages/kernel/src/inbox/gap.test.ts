import type { ConduitMessage, IntakeSource } from '@cleocode/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { message, until } from '../kernel.test.kit.ts';
import { startBench } from './inbox.test.kit.ts';
import { Lanes } from './lanes.ts';

const PUSH: IntakeSource = { name: 'push', ackable: true };
const AHEAD: IntakeSource = { name: 'poll', ackable: true };
const page = (afterSeq: number): IntakeSource => ({ name: 'poll', ackable: true, afterSeq });

/** Lanes with room for two messages of a conversation, and a way to say what they take. */
function smallLanes(limits = {}) {
  const lanes = new Lanes({ capacity: 100, capacityBytes: 1_000_000, laneCapacity: 2, ...limits });
  const at = (seq: number | undefined, threadId = 't') =>
    message({ id: `${threadId}${seq}`, threadId, ...(seq !== undefined && { seq }) });
  return {
    /** Whether each was taken. */
    offer: (source: IntakeSource, seqs: number[], threadId = 't') =>
      seqs.map((seq) => lanes.accept(at(seq, threadId), source) !== undefined),
    finish: (seq: number, threadId = 't') => lanes.remove(lanes.get(`${threadId}${seq}`)!),
    lanes,
  };
}

describe('a conversation that had to turn a message away', () => {
  it('takes no push behind it, although there is room again', () => {
    const { offer, finish } = smallLanes();
    expect(offer(PUSH, [1, 2, 3])).toEqual([true, true, false]);
    finish(1);
    finish(2);
    expect(offer(PUSH, [4, 5])).toEqual([false, false]);
    expect(offer(PUSH, [1], 'other')).toEqual([true]);
  });

  it('is refilled by a page that starts before the gap', () => {
    const { offer, finish } = smallLanes();
    offer(PUSH, [1, 2, 3]);
    finish(1);
    finish(2);
    expect(offer(page(2), [3])).toEqual([true]);
    expect(offer(PUSH, [4])).toEqual([true]);
  });

  it('is not refilled by a page read ahead', () => {
    const { offer, finish } = smallLanes();
    offer(PUSH, [1, 2, 3, 4]);
    finish(1);
    finish(2);
    expect(offer(AHEAD, [4])).toEqual([false]);
    expect(offer(page(2), [3, 4])).toEqual([true, true]);
  });

  it('is not closed for good by a late push of what a page had brought already', () => {
    const { offer, finish } = smallLanes();
    offer(page(0), [1, 2]);
    expect(offer(PUSH, [3])).toEqual([false]);
    finish(1);
    finish(2);
    expect(offer(page(2), [3])).toEqual([true]);
    finish(3);
    expect(offer(page(3), [4, 5])).toEqual([true, true]);
    expect(offer(PUSH, [6])).toEqual([false]);
    finish(4);
    expect(offer(PUSH, [4])).toEqual([false]);
    finish(5);
    expect(offer(page(5), [6])).toEqual([true]);
    expect(offer(PUSH, [7])).toEqual([true]);
  });

  it('is open to everything again once a page begins behind what a late push left', () => {
    const { lanes, offer, finish } = smallLanes();
    expect(offer(PUSH, [1, 2, 3])).toEqual([true, true, false]);
    finish(1);
    finish(2);
    expect(offer({ name: 'replay', ackable: false }, [1])).toEqual([false]);
    lanes.proceed(page(3));
    expect(offer({ name: 'replay', ackable: false }, [1])).toEqual([true]);
  });

  it('takes it for gone when a page that starts before the gap shows only later messages', () => {
    const { offer, finish } = smallLanes();
    offer(PUSH, [1, 2, 3]);
    finish(1);
    finish(2);
    expect(offer(page(2), [5])).toEqual([true]);
    expect(offer(PUSH, [6])).toEqual([true]);
  });

  it('stays closed to pushes until everything it turned away is back, however small the pages', () => {
    const { offer, finish } = smallLanes();
    expect(offer(PUSH, [1, 2, 3, 4, 5])).toEqual([true, true, false, false, false]);
    finish(1);
    finish(2);
    expect(offer(page(2), [3])).toEqual([true]);
    expect(offer(PUSH, [6])).toEqual([false]);
    finish(3);
    expect(offer(page(3), [4, 5])).toEqual([true, true]);
    finish(4);
    expect(offer(PUSH, [7])).toEqual([false]);
    finish(5);
    expect(offer(page(5), [6, 7])).toEqual([true, true]);
    finish(6);
    expect(offer(PUSH, [8])).toEqual([true]);
  });

  it('opens another gap when a page is more than it can take', () => {
    const { offer, finish } = smallLanes();
    expect(offer(page(0), [1, 2, 3, 4])).toEqual([true, true, false, false]);
    finish(1);
    expect(offer(page(2), [3, 4])).toEqual([true, false]);
    finish(2);
    finish(3);
    expect(offer(page(3), [4])).toEqual([true]);
    expect(offer(PUSH, [5])).toEqual([true]);
  });

  it('is read from the beginning where the backend has no seq', () => {
    const { lanes } = smallLanes();
    const seqless = (id: string) => message({ id, threadId: 't' });
    const taken = (id: string, source: IntakeSource) => lanes.accept(seqless(id), source) !== undefined;
    expect(['a', 'b', 'c'].map((id) => taken(id, PUSH))).toEqual([true, true, false]);
    lanes.remove(lanes.get('a')!);
    expect(taken('d', PUSH)).toBe(false);
    expect(taken('c', page(0))).toBe(true);
    lanes.remove(lanes.get('b')!);
    expect(taken('d', PUSH)).toBe(true);
  });

  it('is not closed for ever by a pushed message that lacks the seq of its backend', () => {
    const { lanes, offer, finish } = smallLanes();
    offer(PUSH, [1, 2]);
    expect(lanes.accept(message({ threadId: 't' }), PUSH)).toBeUndefined();
    finish(1);
    finish(2);
    expect(offer(page(2), [3])).toEqual([true]);
    expect(offer(PUSH, [4])).toEqual([true]);
  });
});

describe('an inbox that was full', () => {
  it('takes no push of any conversation behind what it turned away', () => {
    const { offer, finish } = smallLanes({ capacity: 2 });
    expect(offer(PUSH, [1], 'a')).toEqual([true]);
    expect(offer(PUSH, [2], 'b')).toEqual([true]);
    expect(offer(PUSH, [3], 'c')).toEqual([false]);
    finish(1, 'a');
    expect(offer(PUSH, [4], 'd')).toEqual([false]);
    expect(offer(page(2), [3], 'c')).toEqual([true]);
    finish(2, 'b');
    expect(offer(page(3), [4], 'd')).toEqual([true]);
    finish(3, 'c');
    expect(offer(PUSH, [5], 'e')).toEqual([true]);
  });

  it('leaves to the conversation what a page brings and its own lane turns away', () => {
    const { offer, finish } = smallLanes({ capacity: 4 });
    offer(PUSH, [1, 2], 'a');
    offer(PUSH, [3, 4], 'b');
    expect(offer(PUSH, [5], 'a')).toEqual([false]);
    finish(3, 'b');
    finish(4, 'b');
    expect(offer(page(4), [5], 'a')).toEqual([false]);
    expect(offer(PUSH, [6], 'c')).toEqual([true]);
    expect(offer(PUSH, [7], 'a')).toEqual([false]);
  });
});

it('is left by no source whose messages the backend does not keep for this agent', () => {
  const { offer, finish } = smallLanes();
  const history: IntakeSource = { name: 'group', ackable: false };
  expect(offer(history, [1, 2, 3])).toEqual([true, true, false]);
  finish(1);
  expect(offer(PUSH, [4])).toEqual([true]);
});

/** A backend with `seq`, a scan that pages from a cursor as its contract says, and pushes of what is new. */
class Backend {
  readonly unread: ConduitMessage[] = [];
  #seq = 0;

  send(threadId: string): ConduitMessage {
    this.#seq += 1;
    const sent = message({ id: `${this.#seq}`, threadId, seq: this.#seq });
    this.unread.push(sent);
    return sent;
  }

  ack(ids: readonly string[]): void {
    for (const id of ids) {
      const at = this.unread.findIndex((one) => one.id === id);
      if (at >= 0) this.unread.splice(at, 1);
    }
  }
}

it('never lets a push overtake, and brings everything in, whatever is pushed, paged and deferred', async () => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('send' as const),
        thread: fc.nat(1),
        count: fc.integer({ min: 1, max: 5 }),
        pushed: fc.integer({ min: 0, max: 5 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('scan' as const),
        limit: fc.integer({ min: 1, max: 2 }),
        pages: fc.integer({ min: 1, max: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, capacity, laneCapacity) => {
        const backend = new Backend();
        const handled: Record<string, number[]> = {};
        const bench = await startBench({
          inbox: { capacity, laneCapacity, concurrency: 2 },
          handlers: [
            async ({ message: { threadId, seq } }) => {
              await new Promise((resolve) => setImmediate(resolve));
              handled[threadId!] = [...(handled[threadId!] ?? []), seq!];
            },
          ],
        });
        bench.transport.ack = async (ids) => backend.ack(ids);
        let cursor = 0;
        const offered = new Set<string>();
        const offer = (found: ConduitMessage[], source: Partial<IntakeSource>) => {
          for (const { id } of found) offered.add(id);
          return bench.receive(found, source).deferred;
        };
        /** Page after page, past what the inbox turns away; the cursor stays before that. */
        const scan = (limit: number, pages: number) => {
          let position = cursor;
          let turnedAway = false;
          for (let n = 0; n < pages; n++) {
            const found = backend.unread.filter(({ seq }) => seq! > position).slice(0, limit);
            const [first] = offer(found, turnedAway ? {} : { afterSeq: position });
            position = found.at(-1)?.seq ?? position;
            if (!turnedAway) cursor = first ? first.seq! - 1 : position;
            turnedAway ||= first !== undefined;
          }
        };
        let total = 0;
        const send = (thread: number, push: boolean) => {
          // What the inbox was never shown is not its business: a source pushes only once a scan has read all that is older.
          const shown = backend.unread.every(({ id }) => offered.has(id));
          const sent = backend.send(`t${thread}`);
          total += 1;
          if (push && shown) offer([sent], { name: 'push' });
        };
        const settled = () => until(() => bench.kernel.inbox.room === capacity);
        for (const one of steps) {
          if (one.do === 'send') for (let n = 0; n < one.count; n++) send(one.thread, n < one.pushed);
          else await settled();
          if (one.do === 'scan') scan(one.limit, one.pages);
        }
        await until(() => {
          scan(3, 1);
          return backend.unread.length === 0;
        });
        await bench.kernel.stop();
        for (const order of Object.values(handled)) expect(order).toEqual(order.toSorted((a, b) => a - b));
        expect(Object.values(handled).flat()).toHaveLength(total);
      },
    ),
    { numRuns: 50 },
  );
}, 30_000);
