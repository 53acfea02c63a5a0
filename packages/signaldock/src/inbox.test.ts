import { MAX_CONTENT_BYTES } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { TestClock, testDock } from './dock.test.kit.ts';
import type { Dock, PollQuery } from './index.ts';

const AGENTS = ['alice', 'bob', 'carol'];

async function withMessages(count: number) {
  const clock = new TestClock();
  const dock = await testDock(AGENTS, clock);
  const sent = [];
  for (let n = 1; n <= count; n++) {
    sent.push(await dock.send('alice', 'bob', { content: `m${n}` }));
    clock.advance(1);
  }
  const ids = sent.map(({ id }) => id);
  return { clock, dock, sent, ids };
}

const contents = (messages: { content: string }[]) => messages.map(({ content }) => content);

describe('peek', () => {
  it('answers unread messages, oldest first, and changes nothing', async () => {
    const { dock } = await withMessages(3);
    const first = await dock.peek('bob');
    expect(contents(first)).toEqual(['m1', 'm2', 'm3']);
    expect(await dock.peek('bob')).toEqual(first);
    expect(first.every(({ status }) => status === 'pending')).toBe(true);
  });

  it('answers pending and delivered messages, not read ones', async () => {
    const { dock, ids } = await withMessages(3);
    await dock.pollNew('bob', { limit: 1 });
    await dock.ack('bob', [ids[1]!]);
    expect((await dock.peek('bob')).map(({ content, status }) => [content, status])).toEqual([
      ['m1', 'delivered'],
      ['m3', 'pending'],
    ]);
  });

  it('pages exactly by seq through messages written in one instant', async () => {
    const dock = await testDock(AGENTS, new TestClock());
    await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => dock.send('alice', 'bob', { content: `${n}` })),
    );
    const seen: string[] = [];
    for (let afterSeq = 0; ; ) {
      const page = await dock.peek('bob', { afterSeq, limit: 50 });
      if (page.length === 0) break;
      seen.push(...contents(page));
      afterSeq = page.at(-1)!.seq!;
    }
    expect(seen).toEqual(Array.from({ length: 1_000 }, (_, n) => `${n}`));
  });

  it.each<[string, (ids: string[]) => PollQuery, string[]]>([
    ['afterSeq', () => ({ afterSeq: 2 }), ['m3', 'm4']],
    ['a message id in since', (ids) => ({ since: ids[1]! }), ['m3', 'm4']],
    ['an unknown id in since', () => ({ since: 'nope' }), ['m1', 'm2', 'm3', 'm4']],
    ['a time in since', () => ({ since: '2026-01-01T00:00:01Z' }), ['m3', 'm4']],
    ['a time with an offset in since', () => ({ since: '2026-01-01T01:00:01+01:00' }), ['m3', 'm4']],
    ['a time in after', () => ({ after: '2026-01-01T00:00:02Z' }), ['m4']],
    [
      'several cursors',
      () => ({ afterSeq: 1, after: '2026-01-01T00:00:01Z', since: '2026-01-01T00:00:00Z' }),
      ['m3', 'm4'],
    ],
    ['a limit', () => ({ limit: 2 }), ['m1', 'm2']],
  ])('obeys %s', async (_, given, expected) => {
    const { dock, ids } = await withMessages(4);
    expect(contents(await dock.peek('bob', given(ids)))).toEqual(expected);
  });

  it('answers 50 unless told otherwise and 200 at most', async () => {
    const { dock } = await withMessages(0);
    await Promise.all(Array.from({ length: 201 }, () => dock.send('alice', 'bob', { content: 'x' })));
    expect(await dock.peek('bob')).toHaveLength(50);
    expect(await dock.peek('bob', { limit: 1_000 })).toHaveLength(200);
  });

  it('answers only what mentions an agent, or everyone, when asked', async () => {
    const { dock } = await withMessages(0);
    for (const content of ['a plain one', 'for @Bob', 'for @carol', 'for @all'])
      await dock.send('alice', 'bob', { content });
    expect(contents(await dock.peek('bob', { mentioned: 'BOB' }))).toEqual(['for @Bob', 'for @all']);
    expect(contents(await dock.peek('bob', { mentioned: 'bob', limit: 1 }))).toEqual(['for @Bob']);
  });

  it('ends a page of very long messages early and leaves none out', async () => {
    const { dock } = await withMessages(0);
    const content = 'x'.repeat(MAX_CONTENT_BYTES);
    await Promise.all(Array.from({ length: 12 }, () => dock.send('alice', 'bob', { content })));
    const first = await dock.peek('bob');
    expect(first).toHaveLength(8);
    expect(await dock.peek('bob', { afterSeq: first.at(-1)!.seq! })).toHaveLength(4);
  });

  it('refuses an agent that does not exist: silence would look like no messages', async () => {
    const { dock } = await withMessages(0);
    await expect(dock.peek('x')).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
    await expect(dock.pollNew('x')).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
  });

  it.each<PollQuery>([
    { limit: 0 },
    { limit: 1.5 },
    { afterSeq: -1 },
    { afterSeq: Number.NaN },
    { after: 'nope' },
  ])('refuses %o', async (wrong) => {
    const { dock } = await withMessages(0);
    await expect(dock.peek('bob', wrong)).rejects.toMatchObject({ code: 'E_VALIDATION_CONSTRAINT' });
  });
});

describe('pollNew', () => {
  it('answers each pending message once, as delivered', async () => {
    const { clock, dock } = await withMessages(3);
    const first = await dock.pollNew('bob', { limit: 2 });
    expect(first.map(({ content, status, deliveredAt }) => [content, status, deliveredAt])).toEqual([
      ['m1', 'delivered', new Date(clock.time).toISOString()],
      ['m2', 'delivered', new Date(clock.time).toISOString()],
    ]);
    expect(contents(await dock.pollNew('bob'))).toEqual(['m3']);
    expect(await dock.pollNew('bob')).toEqual([]);
    expect(await dock.peek('bob')).toHaveLength(3);
  });

  it('hands each message to one of several that poll at once', async () => {
    const { dock } = await withMessages(10);
    const polled = (await Promise.all([1, 2, 3].map(() => dock.pollNew('bob', { limit: 4 })))).flat();
    expect(contents(polled).sort()).toEqual(Array.from({ length: 10 }, (_, n) => `m${n + 1}`).sort());
  });

  it('with a cursor answers what came after it in any status', async () => {
    const { dock, ids } = await withMessages(4);
    await dock.ack('bob', [ids[2]!]);
    const polled = await dock.pollNew('bob', { since: ids[0]! });
    expect(polled.map(({ content, status }) => [content, status])).toEqual([
      ['m2', 'delivered'],
      ['m3', 'read'],
      ['m4', 'delivered'],
    ]);
  });
});

describe('ack', () => {
  it('marks messages as read and answers which', async () => {
    const { clock, dock, ids } = await withMessages(3);
    expect(await dock.ack('bob', [ids[0]!, ids[2]!])).toEqual({ acked: 2, ids: [ids[0], ids[2]] });
    expect(contents(await dock.peek('bob'))).toEqual(['m2']);
    const at = new Date(clock.time).toISOString();
    expect(await dock.getMessage('bob', ids[0]!)).toMatchObject({
      status: 'read',
      readAt: at,
      deliveredAt: at,
    });
  });

  it('twice is once', async () => {
    const { clock, dock, ids } = await withMessages(1);
    await dock.ack('bob', ids);
    const before = await dock.getMessage('bob', ids[0]!);
    clock.advance(10);
    expect(await dock.ack('bob', [ids[0]!, ids[0]!])).toEqual({ acked: 0, ids: [] });
    expect(await dock.getMessage('bob', ids[0]!)).toEqual(before);
  });

  it('keeps the time of an earlier delivery', async () => {
    const { clock, dock, ids } = await withMessages(1);
    const [polled] = await dock.pollNew('bob');
    clock.advance(10);
    await dock.ack('bob', ids);
    expect(await dock.getMessage('bob', ids[0]!)).toMatchObject({
      deliveredAt: polled!.deliveredAt,
      readAt: new Date(clock.time).toISOString(),
    });
  });

  it('ignores ids of others, of the sender, and of nobody', async () => {
    const { dock, ids } = await withMessages(1);
    for (const agent of ['alice', 'carol']) expect(await dock.ack(agent, ids)).toEqual({ acked: 0, ids: [] });
    expect(await dock.ack('bob', ['nope', ''])).toEqual({ acked: 0, ids: [] });
    expect(await dock.peek('bob')).toHaveLength(1);
  });

  it('keeps the copies of a group message apart', async () => {
    const { dock } = await withMessages(0);
    const { id } = await dock.createConversation('alice', { participants: ['bob', 'carol'] });
    await dock.sendToConversation('alice', id, { content: 'x' });
    const [bobs] = await dock.peek('bob');
    const [carols] = await dock.peek('carol');
    expect(await dock.ack('bob', [carols!.id])).toEqual({ acked: 0, ids: [] });
    await dock.ack('bob', [bobs!.id]);
    expect(await dock.peek('bob')).toEqual([]);
    expect(await dock.peek('carol')).toEqual([carols]);
  });

  it('takes any number of ids', async () => {
    const { dock } = await withMessages(0);
    const sent = await Promise.all(
      Array.from({ length: 1_200 }, () => dock.send('alice', 'bob', { content: 'x' })),
    );
    const ids = sent.map(({ id }) => id);
    expect(await dock.ack('bob', ids)).toEqual({ acked: 1_200, ids });
    expect(await dock.ack('bob', [])).toEqual({ acked: 0, ids: [] });
  });
});

describe('unreadSummary', () => {
  it('counts unread messages per conversation, the latest first', async () => {
    const { clock, dock, ids } = await withMessages(2);
    await dock.ack('bob', [ids[0]!]);
    clock.advance(60);
    const fromCarol = await dock.send('carol', 'bob', { content: 'x' });
    await dock.send('carol', 'bob', { content: 'y' });
    expect(await dock.unreadSummary('bob')).toEqual([
      { conversationId: fromCarol.conversationId, unread: 2, lastAt: '2026-01-01T00:01:02.000Z' },
      { conversationId: expect.any(String), unread: 1, lastAt: '2026-01-01T00:00:01.000Z' },
    ]);
    expect(await dock.unreadSummary('alice')).toEqual([]);
  });
});

describe('a read that ends its page early', () => {
  it('leaves no transaction open behind it', async () => {
    const dock: Dock = await testDock(AGENTS);
    const content = 'x'.repeat(MAX_CONTENT_BYTES);
    await Promise.all(Array.from({ length: 10 }, () => dock.send('alice', 'bob', { content })));
    await dock.peek('bob');
    const { DatabaseSync } = await import('node:sqlite');
    const other = new DatabaseSync(dock.file);
    // A reader that is still open would keep the log from being emptied: busy = 1.
    expect(other.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()).toMatchObject({ busy: 0, log: 0 });
    other.close();
  });
});
