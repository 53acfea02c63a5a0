import { afterEach, describe, expect, it, vi } from 'vitest';
import { query, TestClock, testDock, testFile } from './dock.test.kit.ts';
import { openDock } from './dock.ts';

const AGENTS = ['alice', 'bob', 'carol'];
const DAY = 86_400;

afterEach(() => void vi.useRealTimers());

describe('prune', () => {
  it('deletes what was read before the bound and nothing else', async () => {
    const clock = new TestClock();
    const dock = await testDock(AGENTS, clock);
    const send = async (content: string) => (await dock.send('alice', 'bob', { content })).id;
    await send('old, unread');
    const readLongAgo = await send('old, read long ago');
    const readLately = await send('old, read lately');
    await dock.ack('bob', [readLongAgo]);
    clock.advance(2 * DAY);
    await dock.ack('bob', [readLately]);
    clock.advance(29 * DAY);
    await dock.ack('bob', [await send('new, read')]);

    expect(await dock.prune()).toEqual({ messages: 1, idempotencyKeys: 0 });
    expect(query(dock.file, 'SELECT content FROM posts ORDER BY seq')).toEqual([
      { content: 'old, unread' },
      { content: 'old, read lately' },
      { content: 'new, read' },
    ]);
    expect(query(dock.file, 'SELECT count(*) AS n FROM messages')).toEqual([{ n: 3 }]);
    expect(await dock.prune({ readDays: 29 })).toMatchObject({ messages: 0 });
    expect(await dock.prune({ readDays: 28 })).toMatchObject({ messages: 1 });
  });

  it('keeps a group message until all its recipients have read it', async () => {
    const clock = new TestClock();
    const dock = await testDock(AGENTS, clock);
    const { id } = await dock.createConversation('alice', { participants: ['bob', 'carol'] });
    await dock.sendToConversation('alice', id, { content: 'x' });
    const ack = async (agent: string) => dock.ack(agent, [(await dock.peek(agent))[0]!.id]);
    await ack('bob');
    clock.advance(31 * DAY);
    expect(await dock.prune()).toMatchObject({ messages: 0 });
    await ack('carol');
    clock.advance(31 * DAY);
    expect(await dock.prune()).toMatchObject({ messages: 1 });
    expect(query(dock.file, 'SELECT * FROM messages')).toEqual([]);
  });

  it('forgets idempotency keys after 24 hours', async () => {
    const clock = new TestClock();
    const dock = await testDock(AGENTS, clock);
    const send = (idempotencyKey: string) => dock.send('alice', 'bob', { content: 'x' }, { idempotencyKey });
    await send('a');
    await send('b');
    clock.advance(DAY - 1);
    expect(await dock.prune()).toMatchObject({ idempotencyKeys: 0 });
    clock.advance(2);
    await send('a');
    expect(await dock.prune()).toMatchObject({ idempotencyKeys: 1 });
    expect(query(dock.file, 'SELECT key FROM sends')).toEqual([{ key: 'a' }]);
  });

  it('works in short transactions, so that senders are not held up', async () => {
    const clock = new TestClock();
    const dock = await testDock(AGENTS, clock);
    const sent = await Promise.all(
      Array.from({ length: 2_000 }, (_, n) =>
        dock.send('alice', 'bob', { content: 'x' }, { idempotencyKey: `${n}` }),
      ),
    );
    await dock.ack(
      'bob',
      sent.map(({ id }) => id),
    );
    clock.advance(31 * DAY);
    let finished = false;
    const pruning = dock.prune().finally(() => {
      finished = true;
    });
    let sentMeanwhile = 0;
    while (!finished) {
      await dock.send('alice', 'carol', { content: 'x' });
      sentMeanwhile += 1;
    }
    expect(await pruning).toEqual({ messages: 2_000, idempotencyKeys: 2_000 });
    expect(sentMeanwhile).toBeGreaterThan(5);
  });

  it('stops at once when its signal says so', async () => {
    const clock = new TestClock();
    const dock = await testDock(AGENTS, clock);
    await dock.ack('bob', [(await dock.send('alice', 'bob', { content: 'x' })).id]);
    clock.advance(31 * DAY);
    expect(await dock.prune({ signal: AbortSignal.abort() })).toEqual({ messages: 0, idempotencyKeys: 0 });
  });
});

describe('an open dock', () => {
  it('prunes by itself, a minute after it was opened and then every hour', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const clock = new TestClock();
    const dock = await testDock(AGENTS, clock);
    const sendAndRead = async () => {
      await dock.ack('bob', [(await dock.send('alice', 'bob', { content: 'x' })).id]);
      clock.advance(31 * DAY);
    };
    const isEmpty = () => query(dock.file, 'SELECT * FROM posts').length === 0;
    await sendAndRead();
    await vi.advanceTimersByTimeAsync(60_000);
    await untilReal(isEmpty);
    await sendAndRead();
    await vi.advanceTimersByTimeAsync(3_600_000 * 1.2);
    await untilReal(isEmpty);
  });

  it('keeps everything with retentionDays 0', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await testDock(AGENTS, { retentionDays: 0 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('says why it could not prune and tries again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const errors: unknown[] = [];
    const file = testFile();
    const dock = await openDock({
      file,
      onError: (error) => errors.push(error),
      now: () => {
        throw new Error('no clock');
      },
    });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(errors).toMatchObject([{ message: 'no clock' }]);
    expect(vi.getTimerCount()).toBe(1);
    await dock.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});

/** Waits by the event loop, whose timers stand still here. */
async function untilReal(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(condition()).toBe(true);
}
