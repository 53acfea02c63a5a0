import { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import { MAX_CONTENT_BYTES } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { TestClock, testDock } from './dock.test.kit.ts';
import type { MessageListQuery } from './index.ts';

const AGENTS = ['alice', 'bob', 'carol', 'dave'];

/** A group of alice, bob and carol with the messages m1, m2, … of alice, one a second. */
async function withMessages(count: number) {
  const clock = new TestClock();
  const dock = await testDock(AGENTS, clock);
  const { id } = await dock.createConversation('alice', { participants: ['bob', 'carol'] });
  for (let n = 1; n <= count; n++) {
    await dock.sendToConversation('alice', id, { content: `m${n}` });
    clock.advance(1);
  }
  const list = async (query?: MessageListQuery, agentId = 'bob') =>
    contents(await dock.listMessages(agentId, id, query));
  return { clock, dock, id, list };
}

const contents = (messages: { content: string }[]) => messages.map(({ content }) => content);

describe('listMessages', () => {
  it('answers the oldest 50 first unless told otherwise, and 200 at most', async () => {
    const { list } = await withMessages(201);
    const all = Array.from({ length: 201 }, (_, n) => `m${n + 1}`);
    expect(await list()).toEqual(all.slice(0, 50));
    expect(await list({ limit: 1_000 })).toEqual(all.slice(0, 200));
    expect(await list({ sort: 'desc', limit: 3 })).toEqual(['m201', 'm200', 'm199']);
  });

  it.each<[string, MessageListQuery, string[]]>([
    ['page 0, the first', { limit: 2, page: 0 }, ['m1', 'm2']],
    ['page 1, the first', { limit: 2, page: 1 }, ['m1', 'm2']],
    ['page 2', { limit: 2, page: 2 }, ['m3', 'm4']],
    ['the last page', { limit: 2, page: 3 }, ['m5']],
    ['a page behind the last', { limit: 2, page: 4 }, []],
    ['a page far behind the last', { limit: 200, page: Number.MAX_SAFE_INTEGER }, []],
    ['a page from the end', { limit: 2, page: 2, sort: 'desc' }, ['m3', 'm2']],
    ['the time of a message', { after: '2026-01-01T00:00:02Z' }, ['m4', 'm5']],
    ['a time with an offset', { after: '2026-01-01T01:00:02+01:00', sort: 'desc' }, ['m5', 'm4']],
    ['a time before the first message', { after: '2025-01-01T00:00:00Z', limit: 1 }, ['m1']],
    ['a time after the last message', { after: '2026-01-01T00:00:04Z' }, []],
    ['a time and a page', { after: '2026-01-01T00:00:00Z', limit: 2, page: 2 }, ['m4', 'm5']],
  ])('obeys %s', async (_, query, expected) => {
    const { list } = await withMessages(5);
    expect(await list(query)).toEqual(expected);
  });

  it('pages exactly by seq, upwards whatever the sort, from any copy of a group message', async () => {
    const { dock, id } = await withMessages(7);
    for (const agent of ['alice', 'bob', 'carol']) {
      const seen: string[] = [];
      for (let afterSeq = 0; ; ) {
        const page = await dock.listMessages(agent, id, { afterSeq, limit: 3, sort: 'desc' });
        if (page.length === 0) break;
        seen.push(...contents(page));
        afterSeq = page.at(-1)!.seq!;
      }
      expect(seen).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7']);
    }
  });

  it('shows a group message once, as the own copy, or as the first one to its sender', async () => {
    const { dock, id } = await withMessages(0);
    const first = await dock.sendToConversation('alice', id, { content: 'x' });
    for (const agent of ['bob', 'carol'])
      expect(await dock.listMessages(agent, id)).toEqual(await dock.peek(agent));
    expect(await dock.listMessages('alice', id)).toEqual([first]);
  });

  it('misses nothing after a time when a message was created before one that got in first', async () => {
    const { clock, dock, id, list } = await withMessages(0);
    for (const second of [10, 5, 20, 15, 30]) {
      clock.time = Date.parse('2026-01-01T00:00:00Z') + second * 1000;
      await dock.sendToConversation('alice', id, { content: `at ${second}` });
    }
    expect(await list({ after: '2026-01-01T00:00:07Z' })).toEqual([
      'at 10',
      'at 5',
      'at 20',
      'at 15',
      'at 30',
    ]);
    expect(await list({ after: '2026-01-01T00:00:12Z' })).toEqual(['at 20', 'at 15', 'at 30']);
    expect(await list({ after: '2026-01-01T00:00:20Z' })).toEqual(['at 30']);
  });

  it('answers only what mentions an agent, or everyone, when asked', async () => {
    const { dock, id, list } = await withMessages(3);
    for (const content of ['for @Bob', 'for @carol', 'for @all'])
      await dock.sendToConversation('alice', id, { content });
    expect(await list({ mentioned: 'BOB' })).toEqual(['for @Bob', 'for @all']);
    expect(await list({ mentioned: 'bob', sort: 'desc' })).toEqual(['for @all', 'for @Bob']);
    expect(await list({ mentioned: 'bob', limit: 1, page: 2 })).toEqual(['for @all']);
    expect(await list({ mentioned: 'bob', after: '2026-01-01T00:00:03Z' })).toEqual([]);
  });

  it('looks for mentions among many messages in steps, and says where it gave up', async () => {
    const { dock, id, list } = await withMessages(1);
    fill(dock.file, id, 100_500);
    await dock.sendToConversation('alice', id, { content: 'the first for @bob' });
    fill(dock.file, id, 100_500);
    await dock.sendToConversation('alice', id, { content: 'the last for @bob' });

    let turns = 0;
    let looking = true;
    const counting = (async () => {
      for (; looking; turns++) await turn();
    })();
    const error = await dock.listMessages('bob', id, { mentioned: 'bob' }).catch((thrown) => thrown);
    looking = false;
    await counting;
    expect(error).toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
      message: expect.stringMatching(/^mentioned: 0 of 50 messages found among 100000, up to seq \d+$/),
      hint: expect.stringContaining('afterSeq'),
    });
    expect(turns).toBeGreaterThan(400);

    const afterSeq = Number(/\d+$/.exec(error.message)![0]);
    expect(await list({ mentioned: 'bob', afterSeq })).toEqual(['the first for @bob']);
    expect(await list({ mentioned: 'bob', sort: 'desc', limit: 1 })).toEqual(['the last for @bob']);
  });

  it('cuts the content to 200 characters when compact, and no character in two', async () => {
    const { dock, id, list } = await withMessages(0);
    for (const content of ['x'.repeat(201), `${'x'.repeat(199)}😀`, `\0${'é'.repeat(300)}`, 'short'])
      await dock.sendToConversation('alice', id, { content });
    expect(await list({ compact: true })).toEqual([
      'x'.repeat(200),
      'x'.repeat(199),
      `\0${'é'.repeat(199)}`,
      'short',
    ]);
  });

  it('refuses a numbered page that is too long rather than leave messages out', async () => {
    const { dock, id, list } = await withMessages(0);
    for (let n = 0; n < 10; n++)
      await dock.sendToConversation('alice', id, { content: `${n}`.repeat(MAX_CONTENT_BYTES) });
    await expect(list()).rejects.toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
      message: 'limit: 10 of these messages are too long for one page',
      hint: expect.stringContaining('afterSeq'),
    });
    expect(await list({ limit: 5, page: 2 })).toHaveLength(5);
    expect(await list({ compact: true })).toHaveLength(10);
    const first = await dock.listMessages('bob', id, { afterSeq: 0 });
    const second = await dock.listMessages('bob', id, { afterSeq: first.at(-1)!.seq! });
    expect([...first, ...second].map(({ content }) => content[0])).toEqual([...'0123456789']);
  });

  it('refuses who is not in the conversation, and a conversation that does not exist', async () => {
    const { dock, id, list } = await withMessages(1);
    await expect(list({}, 'dave')).rejects.toMatchObject({
      code: 'E_AUTH_FORBIDDEN',
      details: { agentId: 'dave', conversationId: id },
    });
    await expect(dock.listMessages('bob', 'nope')).rejects.toMatchObject({
      code: 'E_NOT_FOUND_CONVERSATION',
    });
  });

  it.each<MessageListQuery>([{ limit: 0 }, { page: -1 }, { afterSeq: 0.5 }, { after: 'yesterday' }])(
    'refuses %o',
    async (wrong) => {
      const { list } = await withMessages(0);
      await expect(list(wrong)).rejects.toMatchObject({ code: 'E_VALIDATION_CONSTRAINT' });
    },
  );
});

/** Adds messages without mentions, as many sends would. */
function fill(file: string, conversation: string, count: number): void {
  const db = new DatabaseSync(file, { timeout: 1_000 });
  db.exec('BEGIN IMMEDIATE');
  const last = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").get()!.seq as number;
  const numbers = 'WITH RECURSIVE n (seq) AS (SELECT ? + 1 UNION ALL SELECT seq + 1 FROM n LIMIT ?)';
  db.prepare(
    `${numbers} INSERT INTO posts (seq, conversation, from_agent, content, content_type, copies, created_at)
     SELECT seq, ?, 'alice', 'x', 'text', 1, 1 FROM n`,
  ).run(last, count, conversation);
  db.prepare(
    `${numbers} INSERT INTO messages (seq, id, post, to_agent) SELECT seq, 'm' || seq, seq, 'bob' FROM n`,
  ).run(last, count);
  db.prepare('UPDATE conversations SET message_count = message_count + ? WHERE id = ?').run(
    count,
    conversation,
  );
  db.exec('COMMIT');
  db.close();
}
