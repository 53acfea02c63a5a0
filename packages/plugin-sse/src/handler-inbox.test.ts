import { type CleoError, type ConduitMessage, PermanentError } from '@cleocode/contracts';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { HandlerInbox, type MessageHandler } from './handler-inbox.ts';

const PAGE = { name: 'sse', ackable: true, afterSeq: 0 };
const PUSH = { name: 'sse', ackable: true };

let handlers: Set<MessageHandler>;
let acked: string[];
let errors: CleoError[];
let rooms: number;
let inbox: HandlerInbox;

beforeEach(() => {
  vi.useFakeTimers();
  handlers = new Set();
  acked = [];
  errors = [];
  rooms = 0;
  inbox = made();
});

afterEach(() => void vi.useRealTimers());

function made(finished = new Map<string, boolean>()): HandlerInbox {
  return new HandlerInbox({
    agentId: 'bob',
    handlers,
    finished,
    handlerTimeoutMs: 1_000,
    maxAttempts: 3,
    retryDelayMs: 100,
    ack: (id) => acked.push(id),
    onRoom: () => {
      rooms += 1;
    },
    onError: (error) => errors.push(error),
  });
}

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
  expect(inbox.receive([copy], PAGE)).toMatchObject({ accepted: 0, duplicates: 1 });
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
  inbox.receive([message('1')], PAGE);
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
  expect([rooms, inbox.room]).toEqual([2, 500]);
  expect(inbox.receive([message('later')], PUSH).deferred).toHaveLength(1);
  expect(inbox.receive([message('late'), message('later')], PAGE)).toMatchObject({ accepted: 2 });
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
  const finished = new Map<string, boolean>();
  const handler = vi.fn();
  handlers.add(handler);
  inbox = made(finished);
  inbox.receive([message('1')], PUSH);
  await settle();
  made(finished).receive([message('1')], PAGE);
  expect([handler.mock.calls.length, acked]).toEqual([1, ['1', '1']]);
});
