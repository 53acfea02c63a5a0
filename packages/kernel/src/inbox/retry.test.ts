import { CleoError, PermanentError } from '@cleocode/contracts';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Delivery } from '../index.ts';
import { gate, message, never, until } from '../kernel.test.kit.ts';
import { FaultyJournal, startBench } from './inbox.test.kit.ts';

const QUICK = { retryBaseMs: 1, retryMaxMs: 1 };

describe('the schedule', () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it('tries a failing message five times, waiting 1, 2, 4 and 8 s, and then makes it a dead letter', async () => {
    const journal = new FaultyJournal();
    const calls: [at: number, attempt: number][] = [];
    let began = 0;
    const bench = await startBench({
      journal,
      handlers: [
        ({ attempt }) => {
          calls.push([performance.now() - began, attempt]);
          throw new Error(`cannot, ${attempt}`);
        },
      ],
    });
    vi.useFakeTimers();
    vi.spyOn(Math, 'random').mockReturnValue(1);
    began = performance.now();
    const sent = message({ threadId: 'one', extra: { kept: [1, null] } });
    bench.receive(sent);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(calls).toEqual([
      [0, 1],
      [1_000, 2],
      [3_000, 3],
      [7_000, 4],
      [15_000, 5],
    ]);
    expect(bench.eventsOf('failed').map(({ attempt, retryInMs }) => [attempt, retryInMs])).toEqual([
      [1, 1_000],
      [2, 2_000],
      [3, 4_000],
      [4, 8_000],
      [5, undefined],
    ]);
    const reason = 'handler-1: cannot, 5';
    expect(bench.eventsOf('dead')).toEqual([{ type: 'dead', message: sent, attempts: 5, error: reason }]);
    expect(journal.calls.at(-1)).toEqual(['dead', sent.id, sent, reason]);
    expect(bench.transport.acked).toEqual([sent.id]);
    expect(bench.kernel.inbox.stats()).toMatchObject({ done: 0, failed: 5, dead: 1, queued: 0, inFlight: 0 });
  });

  it('spreads each wait over its upper half, and lets none grow past its cap', async () => {
    const bench = await startBench({
      handlers: [() => Promise.reject(new Error('cannot'))],
      inbox: { retryMaxMs: 3_000, maxAttempts: 6 },
    });
    vi.useFakeTimers();
    vi.spyOn(Math, 'random').mockReturnValue(0);
    bench.receive(message());
    await vi.advanceTimersByTimeAsync(60_000);
    expect(bench.eventsOf('failed').map(({ retryInMs }) => retryInMs)).toEqual([
      ...[500, 1_000, 1_500, 1_500, 1_500],
      undefined,
    ]);
  });

  it('waits at least as long as a handler that failed asks, and no longer than a quarter of an hour', async () => {
    const bench = await startBench({
      handlers: [
        ({ attempt }) => {
          const retryAfterMs = [30_000, 86_400_000][attempt - 1] ?? 0;
          throw new CleoError('E_BUSY', 'come back later', { retryAfterMs });
        },
        () => Promise.reject(new Error('cannot')),
      ],
      inbox: { maxAttempts: 4 },
    });
    vi.useFakeTimers();
    vi.spyOn(Math, 'random').mockReturnValue(1);
    bench.receive(message());
    await vi.advanceTimersByTimeAsync(2_000_000);
    expect(bench.eventsOf('failed').map(({ retryInMs }) => retryInMs)).toEqual([
      ...[30_000, 900_000, 4_000],
      undefined,
    ]);
  });

  it('frees the slot of a handler at its deadline, and ignores what it does later', async () => {
    const late = gate();
    const deliveries: Delivery[] = [];
    const bench = await startBench({
      handlers: [
        (delivery) => {
          deliveries.push(delivery);
          if (delivery.attempt === 1) return late.passed;
        },
      ],
      timeouts: { messageMs: 5_000 },
      inbox: { concurrency: 1, retryBaseMs: 10 },
    });
    vi.useFakeTimers();
    const stuck = message({ threadId: 'stuck' });
    const other = message({ threadId: 'other' });
    bench.receive([stuck, other]);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(deliveries).toHaveLength(1);
    expect(deliveries[0]!.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(deliveries.map((one) => one.message)).toEqual([stuck, other]);
    expect(bench.eventsOf('failed')).toMatchObject([
      {
        message: stuck,
        plugin: 'handler-1',
        error: {
          code: 'E_HANDLER_TIMEOUT',
          message: 'handler-1: the message handler did not settle within 5000 ms',
          hint: 'Make it watch delivery.signal, or give it more time with timeoutMs.',
          plugin: 'handler-1',
          phase: 'message',
        },
      },
    ]);
    expect(deliveries[0]!.signal.reason).toBe(bench.eventsOf('failed')[0]!.error);
    await vi.advanceTimersByTimeAsync(10);
    late.open();
    await vi.advanceTimersByTimeAsync(10);
    expect(deliveries.map((one) => one.attempt)).toEqual([1, 1, 2]);
    expect(bench.eventsOf('done').map((one) => [one.message.id, one.attempt])).toEqual([
      [other.id, 1],
      [stuck.id, 2],
    ]);
  });

  it("takes a handler's own deadline instead of the kernel's", async () => {
    const bench = await startBench({
      handlers: [[never, { timeoutMs: 50 }]],
      inbox: { maxAttempts: 1 },
    });
    vi.useFakeTimers();
    bench.receive(message());
    await vi.advanceTimersByTimeAsync(50);
    expect(bench.eventsOf('dead')).toMatchObject([
      { error: 'handler-1: handler-1: the message handler did not settle within 50 ms' },
    ]);
  });
});

it('holds back only the conversation of a failing message', async () => {
  const order: string[] = [];
  const { passed, open } = gate();
  const bench = await startBench({
    handlers: [
      async ({ message: { content }, attempt }) => {
        if (content === 'bad' && attempt < 3) throw new Error('not yet');
        if (content === 'bad') await passed;
        order.push(content);
      },
    ],
    inbox: QUICK,
  });
  bench.receive([
    message({ threadId: 'a', content: 'bad' }),
    message({ threadId: 'a', content: 'behind it' }),
    ...Array.from({ length: 20 }, (_, n) => message({ threadId: `${n}`, content: 'free' })),
  ]);
  await until(() => order.length === 20);
  expect(new Set(order)).toEqual(new Set(['free']));
  open();
  await until(() => order.length === 22);
  expect(order.slice(20)).toEqual(['bad', 'behind it']);
});

it('handles everything else when every third message fails for good', async () => {
  const handled = new Set<string>();
  const bench = await startBench({
    handlers: [
      ({ message: { id, content } }) => {
        if (content === 'poison') throw new Error('poison');
        handled.add(id);
      },
    ],
    inbox: { ...QUICK, maxAttempts: 2 },
  });
  const sent = Array.from({ length: 90 }, (_, n) =>
    message({ threadId: `${n % 9}`, content: n % 3 ? 'good' : 'poison' }),
  );
  bench.receive(sent);
  await until(() => bench.transport.acked.length === 90);
  expect(handled).toEqual(new Set(sent.filter((_, n) => n % 3).map(({ id }) => id)));
  expect(bench.eventsOf('dead')).toHaveLength(30);
});

it('runs only the failed handlers again', async () => {
  const calls: string[] = [];
  const bench = await startBench({
    handlers: [
      () => void calls.push('first'),
      ({ attempt }) => {
        calls.push(`flaky ${attempt}`);
        if (attempt < 3) throw new Error('not yet');
      },
      [() => void calls.push('last'), { order: 'post' }],
      [() => void calls.push('filter'), { order: 'pre' }],
    ],
    inbox: QUICK,
  });
  bench.receive(message());
  await until(() => bench.eventsOf('done').length === 1);
  expect(calls).toEqual(['filter', 'first', 'flaky 1', 'last', 'flaky 2', 'flaky 3']);
  expect(bench.eventsOf('done')).toMatchObject([{ attempt: 3 }]);
});

it('makes a dead letter at once of what a handler calls permanent, after the other handlers had it', async () => {
  const other = vi.fn();
  const cause = new Error('no such customer');
  const permanent = new PermanentError('unknown customer', { cause });
  const bench = await startBench({ handlers: [() => Promise.reject(permanent), other] });
  const sent = message();
  bench.receive(sent);
  await until(() => bench.transport.acked.length === 1);
  expect(other).toHaveBeenCalledOnce();
  expect(bench.eventsOf('failed')).toEqual([
    { type: 'failed', message: sent, attempt: 1, plugin: 'handler-1', error: permanent },
  ]);
  expect(bench.eventsOf('dead')).toEqual([
    { type: 'dead', message: sent, attempts: 1, error: 'handler-1: unknown customer' },
  ]);
});

it('blames the handler that decides when several fail, and logs them all', async () => {
  const bench = await startBench({
    handlers: [
      () => Promise.reject(new Error('no network')),
      () => Promise.reject(new PermanentError('unknown customer')),
    ],
  });
  bench.receive(message());
  await until(() => bench.transport.acked.length === 1);
  expect(bench.eventsOf('failed')).toMatchObject([{ plugin: 'handler-2' }]);
  expect(bench.eventsOf('dead')).toMatchObject([{ attempts: 1, error: 'handler-2: unknown customer' }]);
  const logged = bench.log.records.filter(({ level }) => level === 'warn');
  expect(logged.map(({ fields }) => [fields.plugin, fields.error])).toEqual([
    ['handler-1', 'no network'],
    ['handler-2', 'unknown customer'],
  ]);
});

describe('a handler that fails in its own way', () => {
  const weird: [how: string, fail: () => unknown, text: string][] = [
    ['throws', () => raise(new Error('thrown')), 'thrown'],
    ['rejects', () => Promise.reject(new Error('rejected')), 'rejected'],
    ['throws a string', () => raise('a string'), 'a string'],
    ['throws nothing', () => raise(undefined), 'undefined'],
    ['throws zero', () => raise(0), '0'],
    ['rejects with nothing', () => Promise.reject(), 'undefined'],
    ['rejects with an object', () => Promise.reject({ code: 7 }), '{"code":7}'],
    ['throws an error without a message', () => raise(new TypeError()), 'TypeError'],
    ['answers a thenable that throws', () => thenable(() => raise(new Error('in then'))), 'in then'],
    ['answers a thenable that rejects', () => thenable((_, no) => no(new Error('said no'))), 'said no'],
    [
      'answers an object whose then cannot be read',
      () => Object.defineProperty({}, 'then', { get: () => raise(new Error('no then')) }),
      'no then',
    ],
  ];

  it.each(weird)(
    '%s: it is contained, named and counted, and the next handler runs',
    async (_, fail, text) => {
      const next = vi.fn();
      const bench = await startBench({ handlers: [() => {}, fail, next], inbox: { maxAttempts: 1 } });
      bench.receive(message());
      await until(() => bench.eventsOf('dead').length === 1);
      expect(bench.eventsOf('failed')).toMatchObject([{ plugin: 'handler-2' }]);
      expect(bench.eventsOf('dead')).toMatchObject([{ error: `handler-2: ${text}` }]);
      expect(next).toHaveBeenCalledOnce();
      expect(bench.kernel.inbox.stats()).toMatchObject({ inFlight: 0, queued: 0, failed: 1, dead: 1 });
    },
  );

  it.each([
    ['a value', () => 42],
    ['a resolved thenable', () => thenable((yes) => yes('fine'))],
    [
      'a callable thenable',
      () => Object.defineProperty(() => {}, 'then', { value: (yes: () => void) => yes() }),
    ],
  ])('answers %s: it has handled the message', async (_, answer) => {
    const bench = await startBench({ handlers: [answer] });
    bench.receive(message());
    await until(() => bench.transport.acked.length === 1);
    expect(bench.eventsOf('done')).toHaveLength(1);
  });

  function raise(error: unknown): never {
    throw error;
  }

  function thenable(then: (yes: (value: unknown) => void, no: (error: unknown) => void) => void): unknown {
    return Object.defineProperty({}, 'then', { value: then });
  }
});

it('drops a message on purpose: later handlers do not see it, it is acked, and it is no dead letter', async () => {
  const later = vi.fn();
  const journal = new FaultyJournal();
  const bench = await startBench({
    journal,
    handlers: [later, [(delivery) => delivery.drop('spam'), { order: 'pre' }]],
  });
  const sent = message();
  bench.receive(sent);
  await until(() => bench.transport.acked.length === 1);
  expect(later).not.toHaveBeenCalled();
  expect(bench.eventsOf('dropped')).toEqual([
    { type: 'dropped', message: sent, plugin: 'handler-2', reason: 'spam' },
  ]);
  expect(journal.methodsFor(sent.id)).toEqual(['begin', 'done']);
  expect(bench.kernel.inbox.stats()).toMatchObject({ done: 0, dropped: 1, dead: 0 });
});

it('does not drop for a handler that failed after saying so', async () => {
  const later = vi.fn();
  const bench = await startBench({
    handlers: [
      (delivery) => {
        delivery.drop('spam?');
        if (delivery.attempt === 1) throw new Error('not sure');
      },
      later,
    ],
    inbox: QUICK,
  });
  bench.receive(message());
  await until(() => bench.transport.acked.length === 1);
  expect(later).toHaveBeenCalledOnce();
  expect(bench.eventsOf('failed')).toHaveLength(1);
  expect(bench.eventsOf('dropped')).toMatchObject([{ plugin: 'handler-1' }]);
});

it('says in the log what failed, when it is tried again, and what was given up', async () => {
  const bench = await startBench({
    handlers: [() => Promise.reject(new Error('cannot'))],
    inbox: { retryBaseMs: 2, retryMaxMs: 2, maxAttempts: 2 },
  });
  const sent = message();
  bench.receive(sent);
  await until(() => bench.eventsOf('dead').length === 1);
  expect(bench.log.records.filter(({ level }) => level !== 'info')).toEqual([
    {
      level: 'warn',
      message: 'a message handler failed',
      fields: {
        inboxEvent: 'failed',
        plugin: 'handler-1',
        messageId: sent.id,
        attempt: 1,
        error: 'cannot',
        retryInMs: expect.any(Number),
      },
    },
    {
      level: 'warn',
      message: 'a message handler failed',
      fields: { inboxEvent: 'failed', plugin: 'handler-1', messageId: sent.id, attempt: 2, error: 'cannot' },
    },
    {
      level: 'error',
      message: 'a message became a dead letter',
      fields: { inboxEvent: 'dead', messageId: sent.id, attempts: 2, error: 'handler-1: cannot' },
    },
  ]);
});

describe('attempts of processes that died', () => {
  async function handledAfter(crashes: number, failures = 0, inbox = {}) {
    const journal = new FaultyJournal();
    const sent = message();
    for (let n = 0; n < crashes + failures; n++) {
      journal.begin(sent.id);
      if (n < failures) journal.failed(sent.id, 'an earlier failure');
    }
    const handler = vi.fn(({ attempt }: Delivery) => attempt);
    const bench = await startBench({ journal, handlers: [handler], inbox });
    bench.receive(sent);
    await until(() => bench.transport.acked.length === 1);
    return { attempts: handler.mock.results.map(({ value }) => value), bench, journal, sent };
  }

  it('count in the attempt that the next one shows', async () => {
    expect((await handledAfter(1)).attempts).toEqual([2]);
    expect((await handledAfter(2, 2)).attempts).toEqual([5]);
  });

  it('end a message that kills its process again and again, after twice the failures it may have', async () => {
    expect((await handledAfter(9)).attempts).toEqual([10]);
    const { attempts, bench, journal, sent } = await handledAfter(10);
    expect(attempts).toEqual([]);
    const error = 'the process ended 10 times while it was being handled';
    expect(bench.eventsOf('dead')).toEqual([{ type: 'dead', message: sent, attempts: 10, error }]);
    expect(journal.calls.at(-1)).toEqual(['dead', sent.id, sent, error]);
  });

  it('do not turn counted failures into fresh ones', async () => {
    const { attempts, bench } = await handledAfter(0, 5);
    expect(attempts).toEqual([]);
    expect(bench.eventsOf('dead')).toMatchObject([{ attempts: 5, error: 'failed 5 times' }]);
    const strict = await handledAfter(0, 1, { maxAttempts: 2 });
    expect(strict.attempts).toEqual([2]);
  });
});
