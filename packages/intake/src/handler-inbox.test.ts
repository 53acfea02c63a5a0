import { type CleoError, type ConduitMessage, type InboxEvent, PermanentError } from '@cleocode/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HandlerInbox, type HandlerInboxOptions, type MessageHandler } from './handler-inbox.ts';
import { SeenKeys } from './seen-keys.ts';

const page = (afterSeq = 0) => ({ name: 'poll', ackable: true, afterSeq });
const PUSH = { name: 'push', ackable: true };
const GROUP = { name: 'group', ackable: false };

let handlers: Set<MessageHandler>;
let acked: string[];
let errors: CleoError[];
let events: InboxEvent[];
let inbox: HandlerInbox;

beforeEach(() => {
  vi.useFakeTimers();
  handlers = new Set();
  acked = [];
  errors = [];
  events = [];
  inbox = made();
});

afterEach(() => void vi.useRealTimers());

function made(options: Partial<HandlerInboxOptions> = {}): HandlerInbox {
  const one = new HandlerInbox({
    agentId: 'bob',
    handlers,
    seen: new SeenKeys(),
    acks: { add: (id) => void acked.push(id), size: 7 },
    groupMessages: 'all',
    handlerTimeoutMs: 1_000,
    maxAttempts: 3,
    retryDelayMs: 100,
    onError: (error) => errors.push(error),
    onObserverError: (error) => errors.push(error as CleoError),
    ...options,
  });
  one.observe((event) => events.push(event));
  return one;
}

const rooms = () => events.filter(({ type }) => type === 'room').length;
const message = (id: string, more: Partial<ConduitMessage> = {}): ConduitMessage => ({
  id,
  from: 'alice',
  content: id,
  timestamp: '',
  threadId: 'c',
  ...more,
});

const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
const range = (count: number) => Array.from({ length: count }, (_, n) => `${n}`);

it('gives each message to every handler, in the order of its conversation, and acks it then', async () => {
  const heard: string[] = [];
  handlers.add(({ id }) => heard.push(`a${id}`));
  handlers.add(async ({ id }) => heard.push(`b${id}`));
  expect(inbox.receive([message('1'), message('2')], PUSH)).toMatchObject({ accepted: 2, deferred: [] });
  await settle();
  expect([heard, acked, errors]).toEqual([['a1', 'b1', 'a2', 'b2'], ['1', '2'], []]);
});

it('handles conversations beside each other, eight at once', async () => {
  let [now, most] = [0, 0];
  handlers.add(async () => {
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setTimeout(resolve, 10));
    now -= 1;
  });
  inbox.receive(
    range(20).map((id) => message(id, { threadId: id })),
    PUSH,
  );
  await settle(100);
  expect([most, acked.length]).toEqual([8, 20]);
});

it('handles a message once, however often and under whatever id it comes, and acks every id', async () => {
  const heard: string[] = [];
  handlers.add(({ id }) => heard.push(id));
  const [one, copy] = [message('1', { groupId: 'g' }), message('2', { groupId: 'g' })];
  expect(inbox.receive([one, copy, one], PUSH)).toMatchObject({ accepted: 1, duplicates: 2 });
  await settle();
  expect(inbox.receive([copy], page())).toMatchObject({ accepted: 0, duplicates: 1 });
  await settle();
  expect([heard, acked]).toEqual([['1'], ['1', '2', '2']]);
});

it('acks what the agent has sent itself, and gives it to nobody', async () => {
  const handler = vi.fn();
  handlers.add(handler);
  expect(inbox.receive([message('1', { from: 'bob' })], PUSH)).toMatchObject({ duplicates: 1 });
  await settle();
  expect([handler.mock.calls, acked]).toEqual([[], ['1']]);
});

it('calls a handler that failed again later, the others not, and its conversation waits', async () => {
  const heard: string[] = [];
  let failures = 1;
  handlers.add(({ id }) => heard.push(`good ${id}`));
  handlers.add(({ id }, { attempt }) => {
    heard.push(`bad ${id}.${attempt}`);
    if (failures-- > 0) throw new Error('not now');
  });
  inbox.receive([message('1'), message('2'), message('3', { threadId: 'd' })], PUSH);
  await settle();
  expect(acked).toEqual(['3']);
  expect(errors).toMatchObject([{ code: 'E_HANDLER_FAILED', details: { messageId: '1', attempt: 1 } }]);
  await settle(200);
  expect(heard).toEqual(['good 1', 'good 3', 'bad 1.1', 'bad 3.1', 'bad 1.2', 'good 2', 'bad 2.1']);
  expect(acked).toEqual(['3', '1', '2']);
});

it.each([
  ['has used up its attempts', new Error('never'), 3],
  ['no retry can help', new PermanentError('never'), 1],
])('leaves a message unread that %s, and goes on', async (_, error, attempts) => {
  handlers.add(({ id }) => {
    if (id === '1') throw error;
  });
  inbox.receive([message('1'), message('2')], PUSH);
  await settle(10_000);
  expect(errors.map(({ code }) => code)).toEqual([
    ...Array(attempts - 1).fill('E_HANDLER_FAILED'),
    'E_MESSAGE_GIVEN_UP',
  ]);
  expect(errors.at(-1)?.cause).toBe(error);
  inbox.receive([message('1')], page());
  await settle();
  expect(acked).toEqual(['2']);
});

it('gives up waiting for a handler at its deadline, and tells it', async () => {
  const signals: AbortSignal[] = [];
  handlers.add((_, { signal }) => {
    signals.push(signal);
    return new Promise(() => {});
  });
  inbox.receive([message('1')], PUSH);
  await settle(1_000);
  expect(errors).toMatchObject([{ code: 'E_HANDLER_FAILED', cause: { code: 'E_HANDLER_TIMEOUT' } }]);
  expect(signals[0]?.aborted).toBe(true);
});

it('has no room without a handler, and begins with the first', async () => {
  expect(inbox.room).toBe(0);
  expect(inbox.receive([message('1')], PUSH).deferred).toHaveLength(1);
  handlers.add(() => {});
  inbox.handlersChanged();
  expect(inbox.room).toBeGreaterThan(0);
});

it('turns away what it has no room for and what comes after it, until a page brings it in order', async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  handlers.add(() => gate);
  inbox.receive(
    range(500).map((id) => message(id)),
    PUSH,
  );
  expect(inbox.receive([message('late')], PUSH).deferred).toHaveLength(1);
  release();
  await settle();
  expect([rooms(), inbox.room]).toEqual([2, 500]);
  expect(inbox.receive([message('later')], PUSH).deferred).toHaveLength(1);
  expect(inbox.receive([message('late'), message('later')], page())).toMatchObject({ accepted: 2 });
  await settle();
  expect(acked.slice(-2)).toEqual(['late', 'later']);
});

it('sets aside what is no message', async () => {
  handlers.add(() => {});
  const bad = [null, {}, message(''), { ...message('1'), content: 7 }, { ...message('1'), from: undefined }];
  expect(inbox.receive(bad as never, PUSH)).toEqual({ accepted: 0, duplicates: 0, deferred: [] });
  expect(errors.map(({ code }) => code)).toEqual(bad.map(() => 'E_MESSAGE_INVALID'));
});

it('waits for handlers at work when it closes, tells the late ones, and starts nothing more', async () => {
  const signals: AbortSignal[] = [];
  handlers.add(({ id }, { signal }) => {
    signals.push(signal);
    return id === 'quick' ? new Promise((resolve) => setTimeout(resolve, 50)) : new Promise(() => {});
  });
  handlers.add(() => {
    throw new Error('to be tried again');
  });
  inbox.receive(
    [
      message('quick', { threadId: 'a' }),
      message('endless', { threadId: 'b' }),
      message('next', { threadId: 'a' }),
    ],
    PUSH,
  );
  await settle();
  const closed = inbox.close(200);
  await settle(199);
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
  await settle(1);
  await closed;
  expect([signals.at(-1)?.aborted, acked, vi.getTimerCount()]).toEqual([true, [], 0]);
  expect(inbox.receive([message('more')], PUSH).deferred).toHaveLength(1);
});

it('knows what an earlier one has finished', async () => {
  const seen = new SeenKeys();
  const handler = vi.fn();
  handlers.add(handler);
  inbox = made({ seen });
  inbox.receive([message('1')], PUSH);
  await settle();
  made({ seen }).receive([message('1')], page());
  expect([handler.mock.calls.length, acked]).toEqual([1, ['1', '1']]);
});

describe('a message that was turned away', () => {
  const numbered = (seq: number) => message(`${seq}`, { seq });

  /** An inbox that is full of 500 messages, up to seq 500, and has turned away 501. */
  async function full() {
    const { promise, resolve } = Promise.withResolvers<void>();
    handlers.add(() => promise);
    inbox.receive(
      range(500).map((n) => numbered(Number(n) + 1)),
      page(),
    );
    expect(inbox.receive([numbered(501)], PUSH).deferred).toHaveLength(1);
    return async () => {
      resolve();
      await settle();
    };
  }

  it('is not overtaken when a page comes that was read before it was there', async () => {
    const empty = await full();
    inbox.receive(
      range(500).map((n) => numbered(Number(n) + 1)),
      page(),
    );
    await empty();
    expect(inbox.receive([numbered(502)], PUSH).deferred).toHaveLength(1);
    inbox.receive([numbered(501), numbered(502)], page(500));
    expect(inbox.receive([numbered(503)], PUSH)).toMatchObject({ accepted: 1 });
    await settle();
    expect(acked.slice(-3)).toEqual(['501', '502', '503']);
  });

  it('and that nobody has any more holds up others only until the source has read on', async () => {
    const empty = await full();
    await empty();
    const before = rooms();
    expect(inbox.receive([numbered(502)], PUSH).deferred).toHaveLength(1);
    await settle();
    expect(rooms()).toBe(before + 1);
    inbox.receive([numbered(502)], page(500));
    expect(inbox.receive([numbered(503)], PUSH)).toMatchObject({ accepted: 1 });
  });

  it('of another view leaves no gap in the own list, and its source hears of room too', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    handlers.add(() => promise);
    inbox.receive(
      range(500).map((id) => message(id)),
      page(),
    );
    expect(inbox.receive([message('g', { groupId: 'g' })], GROUP).deferred).toHaveLength(1);
    resolve();
    await settle();
    expect(rooms()).toBe(2);
    expect(inbox.receive([message('own')], PUSH)).toMatchObject({ accepted: 1 });
  });
});

describe('what another view shows', () => {
  it('is handled and not acked, until the own copy comes', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    handlers.add(() => promise);
    inbox.receive([message('theirs', { groupId: 'g' })], GROUP);
    inbox.receive([message('other', { groupId: 'g2', threadId: 'd' })], GROUP);
    inbox.receive([message('own', { groupId: 'g' })], PUSH);
    resolve();
    await settle();
    expect(acked).toEqual(['own']);
  });
});

describe('groupMessages: "mentions"', () => {
  it('acks the group messages that do not mention the agent, and gives them to nobody', async () => {
    const heard: string[] = [];
    handlers.add(({ content }) => heard.push(content));
    inbox = made({ groupMessages: 'mentions' });
    const said = ['direct', 'for all', 'for @bob'].map((content, n) =>
      message(`${n}`, { content, ...(n > 0 && { groupId: `g${n}` }) }),
    );
    inbox.receive(said, PUSH);
    await settle();
    expect([heard, acked]).toEqual([
      ['direct', 'for @bob'],
      ['1', '0', '2'],
    ]);
    expect(events.filter(({ type }) => type === 'known')).toMatchObject([{ message: { id: '1' } }]);
  });
});

describe('a handler that fails', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
    [
      'throws nothing',
      () => {
        throw undefined;
      },
    ],
  ])('is contained when it %s, and called again with growing pauses', async (_, fail) => {
    const times: number[] = [];
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const began = performance.now();
    handlers.add((_message, { attempt }) => {
      times.push(performance.now() - began);
      return attempt < 3 ? fail() : undefined;
    });
    inbox.receive([message('1')], PUSH);
    await settle(10_000);
    vi.restoreAllMocks();
    expect([times, acked, errors.map(({ code }) => code)]).toEqual([
      [0, 100, 300],
      ['1'],
      ['E_HANDLER_FAILED', 'E_HANDLER_FAILED'],
    ]);
  });

  it('says with which error: the first one, unless another says that no retry can help', async () => {
    const [first, permanent] = [new Error('first'), new PermanentError('never')];
    const thrown: unknown[] = [first, new Error('second')];
    for (const n of [0, 1])
      handlers.add(() => {
        throw thrown[n];
      });
    inbox.receive([message('1')], PUSH);
    await settle();
    expect(errors.at(-1)).toMatchObject({ code: 'E_HANDLER_FAILED', cause: first });
    thrown[1] = permanent;
    await settle(200);
    expect(errors.at(-1)).toMatchObject({ code: 'E_MESSAGE_GIVEN_UP', cause: permanent });
  });
});

it('tells what it does, counts it, and is not harmed by one who listens', async () => {
  const bad = new Error('a bad observer');
  const end = inbox.observe(() => {
    throw bad;
  });
  handlers.add(({ id }) => {
    if (id === 'bad') throw new PermanentError('no');
  });
  inbox.receive([message('good'), message('bad')], PUSH);
  expect(inbox.stats()).toMatchObject({ inFlight: 1, queued: 1, unacked: 7 });
  await settle();
  expect(errors.filter((error) => (error as unknown) === bad).length).toBe(2);
  end();
  expect(inbox.stats()).toEqual({
    inFlight: 0,
    queued: 0,
    done: 1,
    failed: 1,
    dead: 1,
    dropped: 0,
    unacked: 7,
    problems: [],
  });
  await inbox.close(1_000);
  expect(events.map(({ type }) => type)).toEqual(['done', 'dead', 'closed']);
});

it('lets sources wait for room, and end their wait', async () => {
  const abort = new AbortController();
  const waited = vi.fn();
  const first = inbox.waitForRoom(new AbortController().signal).then(waited);
  const second = inbox.waitForRoom(abort.signal);
  await settle();
  expect(waited).not.toHaveBeenCalled();
  abort.abort(new Error('over'));
  await expect(second).rejects.toThrow('over');
  handlers.add(() => {});
  inbox.handlersChanged();
  await first;
  await inbox.waitForRoom(new AbortController().signal);
  await expect(inbox.waitForRoom(abort.signal)).rejects.toThrow('over');
});
