import { describe, expect, it } from 'vitest';
import { TestClock, testDock } from './dock.test.kit.ts';

const AGENTS = ['alice', 'Bob', 'carol'];

describe('inboxOverview', () => {
  it('sums up what is unread', async () => {
    const clock = new TestClock();
    const dock = await testDock(AGENTS, clock);
    const send = (from: string, content: string) => dock.send(from, 'Bob', { content });
    const plain = await send('alice', 'hello');
    clock.advance(1);
    const mention = await send('alice', 'for @bob, see T12');
    const toAll = await send('carol', '@all /review');
    await dock.ack('Bob', [(await send('carol', 'read already @bob')).id]);
    await dock.send('Bob', 'carol', { content: 'not to @bob' });

    expect(await dock.inboxOverview('Bob')).toEqual({
      unreadTotal: 3,
      actionItems: [
        {
          id: mention.id,
          fromAgentId: 'alice',
          conversationId: mention.conversationId,
          preview: 'for @bob, see T12',
          metadata: { mentions: ['bob'], taskRefs: ['T12'] },
          createdAt: '2026-01-01T00:00:01.000Z',
        },
        expect.objectContaining({ id: toAll.id, metadata: { mentions: ['all'], directives: ['review'] } }),
      ],
      mentions: 2,
      conversations: [
        { conversationId: toAll.conversationId, unreadCount: 1 },
        { conversationId: plain.conversationId, unreadCount: 2 },
      ],
    });
  });

  it('counts a delivered message, until it is acked', async () => {
    const dock = await testDock(AGENTS);
    const { id } = await dock.send('alice', 'Bob', { content: '#tag' });
    await dock.pollNew('Bob');
    expect(await dock.inboxOverview('Bob')).toMatchObject({ unreadTotal: 1, actionItems: [{ id }] });
    await dock.ack('Bob', [id]);
    expect(await dock.inboxOverview('Bob')).toEqual({
      unreadTotal: 0,
      actionItems: [],
      mentions: 0,
      conversations: [],
    });
  });

  it('asks nobody to act on what the runtime counts', async () => {
    const dock = await testDock(AGENTS);
    await dock.send('alice', 'Bob', { content: 'an answer', metadata: { cleo: { hops: 1 } } });
    const { id } = await dock.send('alice', 'Bob', { content: 'for @bob', metadata: { cleo: { hops: 2 } } });
    expect(await dock.inboxOverview('Bob')).toMatchObject({ unreadTotal: 2, actionItems: [{ id }] });
  });

  it('puts the conversation with the latest unread message first', async () => {
    const dock = await testDock(AGENTS);
    const { conversationId: ofAlice } = await dock.send('alice', 'Bob', { content: 'x' });
    const { conversationId: ofCarol } = await dock.send('carol', 'Bob', { content: 'x' });
    await dock.send('alice', 'Bob', { content: 'x' });
    expect((await dock.inboxOverview('Bob')).conversations).toEqual([
      { conversationId: ofAlice, unreadCount: 2 },
      { conversationId: ofCarol, unreadCount: 1 },
    ]);
  });

  it('counts all of a full inbox and shows the oldest 50 action items', async () => {
    const dock = await testDock(AGENTS);
    const sent = await Promise.all(
      Array.from({ length: 501 }, (_, n) => dock.send('alice', 'Bob', { content: `@bob ${n}` })),
    );
    const overview = await dock.inboxOverview('Bob');
    expect(overview).toMatchObject({
      unreadTotal: 501,
      mentions: 501,
      conversations: [{ unreadCount: 501 }],
    });
    expect(overview.actionItems.map(({ id }) => id)).toEqual(sent.slice(0, 50).map(({ id }) => id));
  });

  it('previews the first 200 characters', async () => {
    const dock = await testDock(AGENTS);
    await dock.send('alice', 'Bob', { content: `#tag ${'é'.repeat(1_000)}` });
    await dock.send('alice', 'Bob', { content: `#tag \0${'é'.repeat(1_000)}` });
    expect((await dock.inboxOverview('Bob')).actionItems.map(({ preview }) => preview)).toEqual([
      `#tag ${'é'.repeat(195)}`,
      `#tag \0${'é'.repeat(194)}`,
    ]);
  });

  it('refuses an agent that does not exist', async () => {
    const dock = await testDock(AGENTS);
    await expect(dock.inboxOverview('x')).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
  });
});
