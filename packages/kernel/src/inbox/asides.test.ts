import { type ConduitMessage, hopsOf } from '@cleocode/contracts';
import { describe, expect, it, vi } from 'vitest';
import type { Delivery } from '../index.ts';
import { gate, message, until } from '../kernel.test.kit.ts';
import { HoldingJournal } from './holding-journal.test.kit.ts';
import { type Bench, type BenchOptions, startBench } from './inbox.test.kit.ts';
import { MemoryJournal } from './memory-journal.ts';

const QUICK = { retryBaseMs: 1, retryMaxMs: 1 };

const hop = (hops: unknown, more: Partial<ConduitMessage> = {}) =>
  message({ threadId: 'talk', metadata: { cleo: { hops } }, ...more });

/** Two kinds: what is set aside waits in the journal, or in the inbox where the journal cannot hold it. */
const JOURNALS = [
  { kind: 'a journal that holds messages', make: () => new HoldingJournal() },
  { kind: 'a journal that does not', make: () => new MemoryJournal() },
];

async function start(options: BenchOptions = {}): Promise<{ bench: Bench; handled: string[] }> {
  const handled: string[] = [];
  const handler = async (delivery: Delivery) => {
    handled.push(delivery.message.id);
    await delivery.reply('and you?');
  };
  return { bench: await startBench({ handlers: [handler], ...options }), handled };
}

const settled = async (bench: Bench, handled: string[], count: number) => {
  await until(() => handled.length === count && bench.kernel.inbox.stats().inFlight === 0);
};

describe('what is sent while a message is handled', () => {
  it('carries one hop more than the message, as a reply and as a message to somebody else', async () => {
    const bench = await startBench({
      handlers: [
        async (delivery) => {
          await delivery.reply('yes');
          await delivery.send('carol', 'look');
        },
      ],
    });
    bench.receive([hop(undefined, { threadId: 'a' }), hop(4, { threadId: 'b' })]);
    await until(() => bench.transport.pushed.length === 4);
    const hops = bench.transport.pushed.map(({ options }) => hopsOf(options));
    expect(hops.toSorted()).toEqual([1, 1, 5, 5]);
  });

  it('counts from nothing where the metadata says what is no count', async () => {
    const { bench } = await start();
    bench.receive(['9', -9, 9.5, null, {}, 1e300].map((hops) => hop(hops)));
    await until(() => bench.transport.pushed.length === 6);
    expect(bench.transport.pushed.every(({ options }) => hopsOf(options) === 1)).toBe(true);
    expect(bench.kernel.inbox.aside()).toEqual([]);
  });
});

describe.each(JOURNALS)('with $kind, a conversation', ({ make }) => {
  it('is set aside by the message that came about by too many answers, and says so', async () => {
    const { bench, handled } = await start({ journal: make() });
    bench.receive([
      hop(8, { id: 'eighth' }),
      hop(9, { id: 'ninth' }),
      message({ id: 'next', threadId: 'talk' }),
    ]);
    bench.receive(message({ id: 'other', threadId: 'other' }));
    await until(() => handled.length === 2 && bench.eventsOf('held').length > 0);
    expect(handled.toSorted()).toEqual(['eighth', 'other']);
    expect(bench.kernel.inbox.aside()).toEqual([
      {
        conversation: 'talk',
        cause: 'hops',
        reason: 'agents answered each other 9 times in a row, more than 8',
        since: expect.stringMatching(/^\d{4}-/),
        resuming: false,
      },
    ]);
    expect(bench.kernel.inbox.stats()).toMatchObject({
      problems: [],
      aside: {
        code: 'conversation_aside',
        conversations: 1,
        message: 'conversation talk is set aside: agents answered each other 9 times in a row, more than 8',
        hint: expect.stringContaining('cleo agent set-aside me resume talk'),
      },
    });
    expect(bench.eventsOf('aside')).toEqual([
      {
        type: 'aside',
        conversation: 'talk',
        cause: 'hops',
        reason: 'agents answered each other 9 times in a row, more than 8',
        hint: 'Look at it, then let it go on: cleo agent set-aside me resume talk',
      },
    ]);
    expect(bench.log.at('warn')).toEqual([
      'a conversation is set aside: agents answer each other without end',
    ]);
  });

  it('goes on where it was left when it is resumed, in order, and counts anew', async () => {
    const { bench, handled } = await start({ journal: make() });
    bench.receive([hop(9, { id: 'a' }), hop(12, { id: 'b' }), hop(0, { id: 'c' })]);
    await until(() => bench.eventsOf('held').length > 0);
    expect(handled).toEqual([]);
    expect(await bench.kernel.inbox.resume('talk')).toBe(true);
    await settled(bench, handled, 3);
    expect(handled).toEqual(['a', 'b', 'c']);
    expect(bench.transport.pushed.map(({ options }) => hopsOf(options))).toEqual([1, 1, 1]);
    expect(bench.eventsOf('resumed')).toEqual([{ type: 'resumed', conversation: 'talk' }]);
    await until(() => bench.kernel.inbox.aside().length === 0);
    expect(bench.kernel.inbox.stats().aside).toBeUndefined();
    await until(() => new Set(bench.transport.acked).size === 3);
    // Nothing is left of it: the next loop ends like the first.
    bench.receive([hop(8, { id: 'd' }), hop(9, { id: 'e' })]);
    await until(() => bench.kernel.inbox.aside().length === 1);
    expect(handled).toEqual(['a', 'b', 'c', 'd']);
  });

  it('lets nothing overtake what was held, whatever comes meanwhile', async () => {
    const blocked = gate();
    const handled: string[] = [];
    const bench = await startBench({
      journal: make(),
      inbox: QUICK,
      handlers: [
        async ({ message: { id }, attempt }) => {
          if (id === 'a' && attempt === 1) throw new Error('not yet');
          if (id === 'b') await blocked.passed;
          handled.push(id);
        },
      ],
    });
    bench.receive([hop(9, { id: 'a' }), hop(0, { id: 'b' }), hop(0, { id: 'c' })]);
    await until(() => bench.eventsOf('held').length > 0);
    bench.receive(hop(0, { id: 'd' }));
    void bench.kernel.inbox.resume('talk');
    void bench.kernel.inbox.resume('talk');
    bench.receive(hop(0, { id: 'e' }));
    await until(() => handled.length === 1);
    bench.receive([hop(0, { id: 'c' }), hop(0, { id: 'f' })]);
    blocked.open();
    await until(() => handled.length === 6);
    expect(handled).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    await until(() => new Set(bench.transport.acked).size === 6);
  });

  it('is resumed by an observer as soon as it is set aside', async () => {
    const { bench, handled } = await start({ journal: make() });
    bench.kernel.inbox.observe((event) => {
      if (event.type === 'aside') void bench.kernel.inbox.resume(event.conversation);
    });
    bench.receive(hop(9, { id: 'a' }));
    await settled(bench, handled, 1);
    await until(() => bench.kernel.inbox.aside().length === 0);
    await until(() => bench.transport.acked.length === 1);
  });

  it('is not set aside again by a message that has been handled', async () => {
    const { bench, handled } = await start({ journal: make() });
    const again = hop(9, { id: 'a' });
    bench.receive(again);
    await until(() => bench.eventsOf('held').length > 0);
    await bench.kernel.inbox.resume('talk');
    await settled(bench, handled, 1);
    await until(() => bench.kernel.inbox.aside().length === 0);
    bench.receive(again);
    await until(() => bench.eventsOf('known').length === 1);
    expect(bench.kernel.inbox.aside()).toEqual([]);
  });

  it('that is not set aside cannot be resumed', async () => {
    const { bench } = await start({ journal: make() });
    expect(await bench.kernel.inbox.resume('talk')).toBe(false);
  });

  it('leaves a stop nothing to wait for', async () => {
    const { bench } = await start({ journal: make() });
    bench.receive(hop(9));
    await until(() => bench.eventsOf('held').length > 0);
    expect(await bench.kernel.stop()).toMatchObject({ drained: true, released: [], ok: true });
  });

  it('answers whoever dispatched a message of it', async () => {
    const { bench } = await start({ journal: make() });
    expect(await bench.kernel.dispatch(hop(9))).toEqual({ status: 'held', conversation: 'talk' });
  });
});

describe('where the journal holds messages, a conversation that is set aside', () => {
  it('takes no room, and its messages are acked: the others do not notice it', async () => {
    const journal = new HoldingJournal();
    const { bench, handled } = await start({ journal, inbox: { capacity: 20, laneCapacity: 10 } });
    for (let n = 0; n < 20; n++) {
      const taken = bench.receive([hop(9), hop(0, { threadId: 'other', id: `other ${n}` })]);
      expect(taken.deferred).toEqual([]);
      await until(() => bench.kernel.inbox.room === 20);
    }
    expect(handled).toEqual(Array.from({ length: 20 }, (_, n) => `other ${n}`));
    expect(journal.held.size).toBe(20);
    await until(() => bench.transport.acked.length === 40);
    void bench.kernel.inbox.resume('talk');
    await settled(bench, handled, 40);
  });

  it('waits for its turn once, whatever comes before that', async () => {
    const blocked = gate();
    const handled: string[] = [];
    const bench = await startBench({
      journal: new HoldingJournal(),
      inbox: { concurrency: 1 },
      handlers: [
        async ({ message: { id } }) => {
          if (id === 'blocker') await blocked.passed;
          handled.push(id);
        },
      ],
    });
    bench.receive(hop(9, { id: 'a' }));
    await until(() => bench.eventsOf('held').length === 1);
    bench.receive(hop(0, { id: 'blocker', threadId: 'other' }));
    await bench.kernel.inbox.resume('talk');
    bench.receive([hop(0, { id: 'b' }), hop(0, { id: 'c' })]);
    blocked.open();
    await until(() => handled.length >= 4 && bench.kernel.inbox.stats().inFlight === 0);
    expect(handled).toEqual(['blocker', 'a', 'b', 'c']);
    expect(await bench.kernel.stop()).toMatchObject({ drained: true, ok: true });
  });

  it('is still set aside after a restart, and goes on from what was resumed', async () => {
    const journal = new HoldingJournal();
    const first = await start({ journal });
    first.bench.receive([hop(9, { id: 'a' }), hop(9, { id: 'b' })]);
    await until(() => first.bench.eventsOf('held').length === 2);
    await first.bench.kernel.stop();
    const second = await start({ journal });
    expect(second.bench.kernel.inbox.stats().aside).toMatchObject({ conversations: 1 });
    expect(second.bench.eventsOf('aside')).toHaveLength(1);
    second.bench.receive(hop(0, { id: 'c' }));
    await until(() => second.bench.eventsOf('held').length === 1);
    await second.bench.kernel.stop();
    // While it is stopped.
    await journal.asides.resume('talk');
    const third = await start({ journal });
    third.bench.receive(hop(0, { id: 'd' }));
    await settled(third.bench, third.handled, 4);
    expect(third.handled).toEqual(['a', 'b', 'c', 'd']);
    expect(second.handled).toEqual([]);
    expect(journal.conversations.size).toBe(0);
  });

  it('that another process has resumed or dropped goes on with the next message', async () => {
    const journal = new HoldingJournal();
    const { bench, handled } = await start({ journal });
    bench.receive([hop(9, { id: 'a' }), hop(9, { id: 'gone', threadId: 'dropped' })]);
    await until(() => bench.eventsOf('held').length === 2);
    await journal.asides.resume('talk');
    journal.conversations.delete('dropped');
    journal.done('gone');
    bench.receive([hop(0, { id: 'b' }), hop(0, { id: 'c', threadId: 'dropped' })]);
    await settled(bench, handled, 3);
    expect(handled.filter((id) => id !== 'c')).toEqual(['a', 'b']);
    await until(() => bench.kernel.inbox.aside().length === 0);
  });

  it('hands nothing out before it is known what is set aside', async () => {
    const journal = new HoldingJournal();
    await start({ journal }).then(async ({ bench }) => {
      bench.receive(hop(9, { id: 'a' }));
      await until(() => bench.eventsOf('held').length === 1);
      await bench.kernel.stop();
    });
    const asked = gate();
    const { list } = journal.asides;
    journal.asides.list = async () => {
      await asked.passed;
      return list();
    };
    const { bench, handled } = await start({ journal });
    bench.receive([hop(0, { id: 'b' }), hop(0, { id: 'c', threadId: 'other' })]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(handled).toEqual([]);
    asked.open();
    await settled(bench, handled, 1);
    await until(() => bench.eventsOf('held').length === 1);
    expect(handled).toEqual(['c']);
  });
});

describe('where the journal cannot hold messages, a conversation that is set aside', () => {
  it('waits unread at the backend, and takes no more of the inbox than one conversation may', async () => {
    const { bench, handled } = await start({ inbox: { capacity: 20, laneCapacity: 5 } });
    const taken = bench.receive(Array.from({ length: 8 }, () => hop(9)));
    expect(taken).toMatchObject({ accepted: 5, duplicates: 0 });
    expect(taken.deferred).toHaveLength(3);
    bench.receive(hop(0, { id: 'other', threadId: 'other' }));
    await settled(bench, handled, 1);
    await until(() => bench.transport.acked.length === 1);
    expect(bench.transport.acked).toEqual(['other']);
    expect(bench.kernel.inbox.room).toBe(15);
  });
});

describe('the rate', () => {
  const limited = { inbox: { maxHops: 0, maxRepliesPerMinute: 3 } };

  it('sets a conversation aside that gets too many answers to answers within a minute', async () => {
    const { bench, handled } = await start(limited);
    for (let n = 0; n < 4; n++) bench.receive(hop(2 + n));
    await until(() => bench.eventsOf('aside').length === 1);
    expect(handled).toHaveLength(3);
    expect(bench.eventsOf('aside')).toMatchObject([
      { cause: 'rate', reason: "agents' answers were answered 3 times within a minute" },
    ]);
    await bench.kernel.inbox.resume('talk');
    await settled(bench, handled, 4);
    for (let n = 0; n < 3; n++) bench.receive(hop(7));
    await settled(bench, handled, 7);
    expect(bench.kernel.inbox.aside()).toEqual([]);
  });

  it('leaves alone what people write, what agents begin, and what is handled without an answer', async () => {
    const { bench, handled } = await start(limited);
    for (let n = 0; n < 50; n++) bench.receive([hop(0), hop(1)]);
    await settled(bench, handled, 100);
    const silent = await startBench({ ...limited, handlers: [() => {}] });
    silent.receive(Array.from({ length: 50 }, () => hop(5)));
    await until(() => silent.eventsOf('done').length === 50);
    expect([...bench.eventsOf('aside'), ...silent.eventsOf('aside')]).toEqual([]);
  });

  it('counts a message once, however much is sent for it and however often it is tried', async () => {
    let handled = 0;
    const bench = await startBench({
      inbox: { ...limited.inbox, ...QUICK },
      handlers: [
        async (delivery) => {
          for (let n = 0; n < 10; n++) await delivery.reply(`part ${n}`);
          if (delivery.attempt < 3) throw new Error('not yet');
          handled += 1;
        },
      ],
    });
    bench.receive([hop(2), hop(2)]);
    await until(() => handled === 2);
    expect(bench.eventsOf('aside')).toEqual([]);
  });

  it('forgets what was answered more than a minute ago', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const { bench, handled } = await start(limited);
      for (let minute = 0; minute < 5; minute++) {
        for (let n = 0; n < 3; n++) bench.receive(hop(2));
        await settled(bench, handled, 3 * (minute + 1));
        vi.advanceTimersByTime(120_000);
      }
      expect(bench.eventsOf('aside')).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });
});

it('sets nothing aside where both limits are off', async () => {
  const { bench, handled } = await start({ inbox: { maxHops: 0, maxRepliesPerMinute: 0 } });
  bench.receive(Array.from({ length: 200 }, () => hop(500)).slice(0, 100));
  await settled(bench, handled, 100);
  expect(bench.eventsOf('aside')).toEqual([]);
});

it('counts a dead letter that somebody replays from nothing', async () => {
  const { bench, handled } = await start();
  bench.receive(hop(9), { name: 'replay', ackable: false, anew: true });
  await settled(bench, handled, 1);
  expect(bench.transport.pushed.map(({ options }) => hopsOf(options))).toEqual([1]);
});
