import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WireMessage } from '@cleocode/contracts';
import { openDatabase } from '@cleocode/sqlite';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { spawnWorker, testDock, testFile } from './dock.test.kit.ts';
import { Feed } from './feed.ts';
import { MIGRATIONS } from './schema.ts';

const PUSH = new URL('./push.test.worker.ts', import.meta.url);
const AGENTS = ['alice', 'bob', 'carol'];

/** Collects what a listener hears. */
function ear() {
  const heard: WireMessage[] = [];
  return { heard, listener: (message: WireMessage) => void heard.push(message) };
}

const contents = (messages: { content: string }[]) => messages.map(({ content }) => content);

describe('onMessages', () => {
  it('hears a send of its own process before the sender does', async () => {
    const dock = await testDock(AGENTS);
    const { heard, listener } = ear();
    dock.onMessages('bob', listener);
    const message = await dock.send('alice', 'bob', { content: 'x' });
    expect(heard).toEqual([message]);
  });

  it('hears only what is addressed to its agent', async () => {
    const dock = await testDock(AGENTS);
    const bob = ear();
    const alice = ear();
    dock.onMessages('bob', bob.listener);
    dock.onMessages('alice', alice.listener);
    await dock.send('alice', 'bob', { content: 'to bob' });
    await dock.send('alice', 'carol', { content: 'to carol' });
    await dock.send('bob', 'alice', { content: 'to alice' });
    expect(contents(bob.heard)).toEqual(['to bob']);
    expect(contents(alice.heard)).toEqual(['to alice']);
  });

  it('starts at now: it replays nothing', async () => {
    const dock = await testDock(AGENTS);
    await dock.send('alice', 'bob', { content: 'before' });
    const first = ear();
    dock.onMessages('bob', first.listener);
    await dock.send('alice', 'bob', { content: 'between' });
    const second = ear();
    dock.onMessages('bob', second.listener);
    await dock.send('alice', 'bob', { content: 'after' });
    expect(contents(first.heard)).toEqual(['between', 'after']);
    expect(contents(second.heard)).toEqual(['after']);
  });

  it('hears each of many concurrent sends once, in seq order', async () => {
    const dock = await testDock(AGENTS);
    const { heard, listener } = ear();
    dock.onMessages('bob', listener);
    const sent = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => dock.send('alice', 'bob', { content: `${n}` })),
    );
    await vi.waitFor(() => expect(heard).toHaveLength(1_000));
    expect(heard).toEqual(sent.toSorted((a, b) => a.seq! - b.seq!));
  });

  it('hears a repeated send once', async () => {
    const dock = await testDock(AGENTS);
    const { heard, listener } = ear();
    dock.onMessages('bob', listener);
    for (let n = 0; n < 2; n++) await dock.send('alice', 'bob', { content: 'x' }, { idempotencyKey: 'k' });
    expect(heard).toHaveLength(1);
  });

  it('goes on for the others when a listener throws, and tells its onError', async () => {
    const dock = await testDock(AGENTS);
    const { heard, listener } = ear();
    const failure = new Error('deaf');
    const errors: unknown[] = [];
    dock.onMessages(
      'bob',
      () => {
        throw failure;
      },
      (error) => errors.push(error),
    );
    dock.onMessages('bob', listener);
    await dock.send('alice', 'bob', { content: '1' });
    await dock.send('alice', 'bob', { content: '2' });
    expect(contents(heard)).toEqual(['1', '2']);
    expect(errors).toEqual([failure, failure]);
  });

  it('ends for one listener and stays for the other, also from inside a listener', async () => {
    const dock = await testDock(AGENTS);
    const { heard, listener } = ear();
    let calls = 0;
    const end = dock.onMessages('bob', () => {
      calls += 1;
      end();
      end();
    });
    dock.onMessages('bob', listener);
    await dock.send('alice', 'bob', { content: '1' });
    await dock.send('alice', 'bob', { content: '2' });
    expect(calls).toBe(1);
    expect(heard).toHaveLength(2);
  });

  it('runs only while somebody listens', async () => {
    const dock = await testDock(AGENTS);
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const timers = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length - before;
    const ends = [dock.onMessages('bob', () => {}), dock.onMessages('carol', () => {})];
    expect(timers()).toBe(1);
    ends[0]!();
    expect(timers()).toBe(1);
    ends[1]!();
    expect(timers()).toBe(0);
  });

  it('refuses what is no agent id', async () => {
    const dock = await testDock(AGENTS);
    expect(() => dock.onMessages('a b', () => {})).toThrow(/agentId/);
  });

  it('hears the sends of another process, in order with its own, each once', async () => {
    const dock = await testDock(AGENTS);
    const { heard, listener } = ear();
    dock.onMessages('bob', listener);
    const worker = spawnWorker(PUSH, dock.file, 'alice', 'bob', '300', '1');
    const own: Promise<unknown>[] = [];
    await vi.waitUntil(() => heard.length > 0);
    for (let n = 0; n < 100; n++) {
      own.push(dock.send('carol', 'bob', { content: `own ${n}` }));
      await sleep(1);
    }
    await Promise.all(own);
    await worker.finished;
    await vi.waitFor(() => expect(heard).toHaveLength(400));
    expect(heard).toEqual(
      (await Promise.all([0, 200].map((afterSeq) => dock.peek('bob', { afterSeq, limit: 200 })))).flat(),
    );
  });

  it('says so when the file is replaced, and ends', async () => {
    const dock = await testDock(AGENTS);
    const errors: unknown[] = [];
    dock.onMessages(
      'bob',
      () => {},
      (error) => errors.push(error),
    );
    rmSync(dock.file);
    await vi.waitFor(() => expect(errors).toMatchObject([{ code: 'E_STORAGE_REPLACED' }]));
  });

  it('hears all of a burst that another process commits at once', async () => {
    const dock = await testDock(AGENTS);
    const { heard, listener } = ear();
    dock.onMessages('bob', listener);
    insert(dock.file, 1, 1_000);
    await vi.waitFor(() => expect(heard).toHaveLength(1_000));
    expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: 1_000 }, (_, n) => n + 1));
  });

  it('starts at now also when the others have not yet heard what another process committed', async () => {
    const dock = await testDock(AGENTS);
    const first = ear();
    const second = ear();
    dock.onMessages('bob', first.listener);
    insert(dock.file, 1, 1);
    dock.onMessages('bob', second.listener);
    await vi.waitFor(() => expect(first.heard).toHaveLength(1));
    expect(second.heard).toEqual([]);
  });
});

describe('a feed of many listeners', () => {
  it('tells each of 2,000 its own messages, in order', async () => {
    const dock = await testDock(['alice']);
    const names = Array.from({ length: 2_000 }, (_, n) => `agent-${n}`);
    await Promise.all(names.map((agentId) => dock.registerAgent({ agentId })));
    const heard = names.map(() => [] as string[]);
    for (const [n, agentId] of names.entries())
      dock.onMessages(agentId, ({ content }) => void heard[n]!.push(content));
    const sends = [...names.keys(), ...names.keys()].map((n, index) =>
      dock.send('alice', names[n]!, { content: `${n} ${index < names.length ? 'first' : 'second'}` }),
    );
    await Promise.all(sends);
    await vi.waitFor(() => expect(heard.flat()).toHaveLength(4_000));
    expect(heard).toEqual(names.map((_, n) => [`${n} first`, `${n} second`]));
  });

  it('reads the content only of what somebody listens to', async () => {
    let contentReads = 0;
    const { db, feed } = await withFeed((text) => {
      if (/\bcontent\b/.test(text)) contentReads += 1;
    });
    const { heard, listener } = ear();
    for (let n = 0; n < 100; n++) feed.onMessages(`agent-${n}`, listener);
    insert(db.file, 1, 50);
    feed.wake();
    feed.onMessages('bob', listener);
    insert(db.file, 51, 10);
    feed.wake();
    expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: 10 }, (_, n) => 51 + n));
    expect(contentReads).toBe(10);
  });
});

describe('Feed', () => {
  it('is not ended by the late end of a subscription that it had ended itself', async () => {
    const { db, feed } = await withFeed();
    const { heard, listener } = ear();
    const end = feed.onMessages('bob', () => {});
    feed.stop();
    feed.onMessages('bob', listener);
    end();
    insert(db.file, 1, 1);
    await vi.waitFor(() => expect(heard).toHaveLength(1));
  });

  it('says why it cannot read, tries again by itself, and misses nothing', async () => {
    const failure = new Error('cannot read');
    let failing = false;
    const { db, feed } = await withFeed((text) => {
      if (failing && !text.startsWith('PRAGMA')) throw failure;
    });
    const { heard, listener } = ear();
    const errors: unknown[] = [];
    feed.onMessages('bob', listener, (error) => errors.push(error));
    failing = true;
    insert(db.file, 1, 1);
    await vi.waitFor(() => expect(errors).toEqual([failure]));
    failing = false;
    await vi.waitFor(() => expect(heard).toHaveLength(1));
  });
});

/** A feed without a dock, stopped after the test; `onSql` sees what it asks the database, and may throw. */
async function withFeed(onSql: (text: string) => void = () => {}) {
  const db = await openDatabase(testFile(), { migrations: MIGRATIONS });
  const feed = new Feed({
    file: db.file,
    write: (work) => db.write(work),
    close: () => db.close(),
    sql(text) {
      onSql(text);
      return db.sql(text);
    },
  });
  onTestFinished(async () => {
    feed.stop();
    await db.close();
  });
  return { db, feed };
}

/** Commits messages to bob as another process would, all at once. */
function insert(file: string, first: number, count: number): void {
  const db = new DatabaseSync(file, { timeout: 1_000 });
  const post = db.prepare(
    `INSERT INTO posts (seq, conversation, from_agent, content, content_type, copies, created_at)
     VALUES (?, 'c', 'alice', 'x', 'text', 1, 1)`,
  );
  const message = db.prepare("INSERT INTO messages (seq, id, post, to_agent) VALUES (?, ?, ?, 'bob')");
  db.exec('BEGIN IMMEDIATE');
  for (let seq = first; seq < first + count; seq++) {
    post.run(seq);
    message.run(seq, `m${seq}`, seq);
  }
  db.exec('COMMIT');
  db.close();
}
