import assert from 'node:assert/strict';
import type { AsideJournal } from '../aside.ts';
import type { Journal } from '../journal.ts';
import type { ConduitMessage } from '../message.ts';

/** One rule of {@link Journal}. `run` rejects with an assertion error where it is broken. */
export interface JournalRule {
  /** A sentence, for the name of a test. */
  readonly name: string;
  /** Only for a journal that outlives its process; its `run` calls `reopen`. */
  readonly durable: boolean;
  /**
   * `open` answers a journal on the same storage each time: the first call an empty one, a later call what the next process
   * would find.
   */
  run(open: () => Journal | Promise<Journal>): Promise<void>;
}

/**
 * What every journal must do, the kernel's in memory and a durable one alike:
 *
 *     it.each(journalRules.filter(({ durable }) => !durable))('$name', ({ run }) => run(() => new MyJournal()));
 */
export const journalRules: readonly JournalRule[] = [
  rule('a key begins with its first attempt and no failure', async (journal) => {
    assert.deepEqual(await journal.begin('a'), begun(1, 0));
  }),
  rule('each begin counts an attempt, whatever became of the one before', async (journal) => {
    await journal.begin('a');
    assert.deepEqual(await journal.begin('a'), begun(2, 0));
    assert.deepEqual(await journal.begin('a'), begun(3, 0));
  }),
  rule('a failure is counted beside the attempts', async (journal) => {
    await journal.begin('a');
    await journal.failed('a', 'no network');
    assert.deepEqual(await journal.begin('a'), begun(2, 1));
    await journal.begin('a');
    await journal.failed('a', 'no network');
    assert.deepEqual(await journal.begin('a'), begun(4, 2));
  }),
  rule('a released attempt does not count, and its failures stay', async (journal) => {
    await journal.begin('a');
    await journal.release('a');
    assert.deepEqual(await journal.begin('a'), begun(1, 0));
    await journal.failed('a', 'no network');
    await journal.begin('a');
    await journal.release('a');
    assert.deepEqual(await journal.begin('a'), begun(2, 1));
  }),
  rule('a key that is done is never handed out again', async (journal) => {
    await journal.begin('a');
    await journal.done('a');
    assert.deepEqual(await journal.begin('a'), { state: 'done' });
    await journal.done('a');
    assert.deepEqual(await journal.begin('a'), { state: 'done' });
  }),
  rule('a dead key is never handed out again', async (journal) => {
    await journal.begin('a');
    await journal.dead('a', message, 'gave up');
    assert.deepEqual(await journal.begin('a'), { state: 'dead' });
  }),
  rule('a key may be done or dead without having begun', async (journal) => {
    await journal.done('a');
    await journal.dead('b', message, 'the process died too often');
    assert.deepEqual(await journal.begin('a'), { state: 'done' });
    assert.deepEqual(await journal.begin('b'), { state: 'dead' });
  }),
  rule('a late failure or release does not wake a key that has ended', async (journal) => {
    await journal.begin('a');
    await journal.done('a');
    await journal.failed('a', 'too late');
    await journal.release('a');
    assert.deepEqual(await journal.begin('a'), { state: 'done' });
  }),
  rule('a failure or release of an unknown key is nothing', async (journal) => {
    await journal.failed('a', 'who?');
    await journal.release('b');
    assert.deepEqual(await journal.begin('a'), begun(1, 0));
    assert.deepEqual(await journal.begin('b'), begun(1, 0));
  }),
  rule('keys know nothing of each other, however alike they look', async (journal) => {
    const keys = ['a', 'A', 'a ', '', 'ä', 'a\u0308', "'; --", '%', 'a\nb', '🙂', 'x'.repeat(10_000)];
    for (const key of keys) {
      assert.deepEqual(await journal.begin(key), begun(1, 0), JSON.stringify(key.slice(0, 20)));
      await journal.done(key);
    }
    for (const key of keys) assert.deepEqual(await journal.begin(key), { state: 'done' });
  }),
  rule('calls at once are all answered and all counted', async (journal) => {
    const keys = Array.from({ length: 500 }, (_, n) => `key ${n}`);
    const first = await Promise.all(keys.map((key) => journal.begin(key)));
    assert.deepEqual(first, Array(500).fill(begun(1, 0)));
    const same = await Promise.all([journal.begin('one'), journal.begin('one'), journal.begin('one')]);
    assert.deepEqual(same.map((result) => result.state === 'begun' && result.attempt).toSorted(), [1, 2, 3]);
    await Promise.all(keys.map((key) => journal.done(key)));
    const second = await Promise.all(keys.map((key) => journal.begin(key)));
    assert.deepEqual(second, Array(500).fill({ state: 'done' }));
  }),
  rule('a reason of any length and a message with unknown members are taken', async (journal) => {
    await journal.begin('a');
    await journal.failed('a', 'long '.repeat(100_000));
    await journal.dead('a', { ...message, extra: { deep: [1, null] } }, 'long '.repeat(100_000));
    assert.deepEqual(await journal.begin('a'), { state: 'dead' });
  }),
  rule('a cursor is unknown until it is set, and is then what was set last', async (journal) => {
    assert.equal(await journal.getCursor('group a'), undefined);
    await journal.setCursor('group a', 0);
    assert.equal(await journal.getCursor('group a'), 0);
    await journal.setCursor('group a', Number.MAX_SAFE_INTEGER);
    await journal.setCursor('group b', 7);
    assert.equal(await journal.getCursor('group a'), Number.MAX_SAFE_INTEGER);
    await journal.setCursor('group a', 3);
    assert.equal(await journal.getCursor('group a'), 3);
    assert.equal(await journal.getCursor('group b'), 7);
  }),
  rule(
    'a mark, where it is kept, is unknown until it is set, and is then what was set last',
    async (journal) => {
      if (!journal.getMark || !journal.setMark) return;
      assert.equal(await journal.getMark('stream'), undefined);
      await journal.setMark('stream', 'first');
      await journal.setMark('other', '');
      await journal.setMark('stream', '7\u00e9\u2603');
      assert.equal(await journal.getMark('stream'), '7\u00e9\u2603');
      assert.equal(await journal.getMark('other'), '');
      assert.equal(await journal.getCursor('stream'), undefined);
    },
  ),
  asideRule('a held message has not ended, and its attempt does not count', async (journal, asides) => {
    await journal.begin('a');
    assert.equal(await asides.hold('talk', { key: 'a', message }, loop), 'held');
    assert.deepEqual(await journal.begin('a'), begun(1, 0));
    assert.equal(await asides.hold('talk', { key: 'a', message }), 'held');
    assert.deepEqual(await journal.begin('a'), begun(1, 0));
  }),
  asideRule('a conversation is set aside once, with the first reason', async (journal, asides) => {
    const before = Date.now();
    for (const key of ['a', 'b']) {
      await journal.begin(key);
      await asides.hold('talk', { key, message }, key === 'a' ? loop : { cause: 'rate', reason: 'too fast' });
    }
    const [one, ...more] = await asides.list();
    assert.deepEqual(more, []);
    const { conversation, cause, reason, resuming, since } = one!;
    assert.deepEqual(
      { conversation, cause, reason, resuming },
      { conversation: 'talk', ...loop, resuming: false },
    );
    assert.ok(Date.parse(since) >= before - 1_000);
  }),
  asideRule('what is not set aside holds nothing', async (journal, asides) => {
    await journal.begin('a');
    assert.equal(await asides.hold('talk', { key: 'a', message }), 'free');
    await asides.resume('talk');
    assert.deepEqual(await asides.list(), []);
    assert.equal(await asides.next('talk'), undefined);
  }),
  asideRule(
    'what was held comes back oldest first, each until it has ended, and then it is over',
    async (journal, asides) => {
      for (const key of ['a', 'b', 'c']) {
        await journal.begin(key);
        await asides.hold('talk', { key, message: { ...message, id: key, extra: { deep: [key] } } }, loop);
      }
      await asides.resume('talk');
      assert.deepEqual(
        (await asides.list()).map(({ resuming }) => resuming),
        [true],
      );
      await journal.begin('late');
      assert.equal(await asides.hold('talk', { key: 'late', message }), 'resuming');
      for (const key of ['a', 'b', 'c']) {
        const held = { key, message: { ...message, id: key, extra: { deep: [key] } } };
        assert.deepEqual(await asides.next('talk'), held);
        assert.deepEqual(await asides.next('talk'), held);
        await journal.begin(key);
        await (key === 'b' ? journal.dead(key, message, 'gave up') : journal.done(key));
      }
      assert.equal((await asides.list()).length, 1);
      assert.equal(await asides.next('talk'), undefined);
      assert.deepEqual(await asides.list(), []);
      assert.equal(await asides.hold('talk', { key: 'late', message }), 'free');
    },
  ),
  asideRule('conversations that are set aside know nothing of each other', async (journal, asides) => {
    for (const key of ['a', 'b']) {
      await journal.begin(key);
      await asides.hold(`talk ${key}`, { key, message: { ...message, id: key } }, loop);
    }
    await asides.resume('talk b');
    assert.deepEqual(
      (await asides.list()).map(({ conversation, resuming }) => [conversation, resuming]),
      [
        ['talk a', false],
        ['talk b', true],
      ],
    );
    assert.equal((await asides.next('talk b'))?.key, 'b');
  }),
  durableRule('what is set aside, and what is held of it, outlives the process', async (open) => {
    const before = await open();
    if (!before.asides) return;
    for (const key of ['a', 'b']) {
      await before.begin(key);
      await before.asides.hold('talk', { key, message: { ...message, id: key } }, loop);
    }
    await before.asides.resume('talk');
    await before.begin('a');
    const after = await open();
    assert.deepEqual(
      (await after.asides!.list()).map(({ resuming }) => resuming),
      [true],
    );
    assert.equal((await after.asides!.next('talk'))?.message.id, 'a');
    assert.deepEqual(await after.begin('a'), begun(2, 0));
  }),
  durableRule('attempts, failures, ends and cursors outlive the process', async (open) => {
    const before = await open();
    await before.begin('open');
    await before.failed('open', 'no network');
    await before.begin('open');
    await before.begin('done');
    await before.done('done');
    await before.begin('dead');
    await before.dead('dead', message, 'gave up');
    await before.setCursor('group', 41);
    await before.setMark?.('stream', 'here');
    const after = await open();
    assert.deepEqual(await after.begin('open'), begun(3, 1));
    assert.deepEqual(await after.begin('done'), { state: 'done' });
    assert.deepEqual(await after.begin('dead'), { state: 'dead' });
    assert.equal(await after.getCursor('group'), 41);
    if (after.getMark) assert.equal(await after.getMark('stream'), 'here');
  }),
];

const message: ConduitMessage = {
  id: 'm1',
  from: 'someone',
  content: 'hello',
  timestamp: '2026-01-01T00:00:00Z',
};

function begun(attempt: number, failures: number) {
  return { state: 'begun', attempt, failures };
}

const loop = { cause: 'hops', reason: 'nine answers in a row' } as const;

/** For a journal that can set conversations aside; another one has nothing to break. */
function asideRule(
  name: string,
  check: (journal: Journal, asides: AsideJournal) => Promise<void>,
): JournalRule {
  return rule(name, async (journal) => {
    if (journal.asides) await check(journal, journal.asides);
  });
}

function rule(name: string, check: (journal: Journal) => Promise<void>): JournalRule {
  return { name, durable: false, run: async (open) => check(await open()) };
}

function durableRule(name: string, run: JournalRule['run']): JournalRule {
  return { name, durable: true, run };
}
