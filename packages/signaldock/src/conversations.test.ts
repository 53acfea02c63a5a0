import { wireConversationSchema } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { TestClock, testDock } from './dock.test.kit.ts';

const AGENTS = ['alice', 'bob', 'carol', 'dave'];

describe('createConversation', () => {
  it('opens a group of its creator and the others, sorted, each once', async () => {
    const dock = await testDock(AGENTS, new TestClock());
    const conversation = await dock.createConversation('carol', { participants: ['bob', 'alice', 'bob'] });
    expect(conversation).toEqual({
      id: expect.any(String),
      participants: ['alice', 'bob', 'carol'],
      visibility: 'private',
      messageCount: 0,
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.000Z',
    });
    expect(wireConversationSchema.parse(conversation)).toEqual(conversation);
  });

  it('makes a new group each time', async () => {
    const dock = await testDock(AGENTS);
    const ids = await Promise.all(
      [1, 2].map(() => dock.createConversation('alice', { participants: ['bob', 'carol'] })),
    );
    expect(ids[0]!.id).not.toBe(ids[1]!.id);
  });

  it('answers the private conversation of two, the one a direct message opens', async () => {
    const dock = await testDock(AGENTS);
    const { conversationId } = await dock.send('bob', 'alice', { content: 'x' });
    expect((await dock.createConversation('alice', { participants: ['bob'] })).id).toBe(conversationId);
    expect((await dock.createConversation('bob', { participants: ['alice'] })).id).toBe(conversationId);
    const shared = await dock.createConversation('bob', { participants: ['alice'], visibility: 'shared' });
    expect(shared.id).not.toBe(conversationId);
    expect(shared.visibility).toBe('shared');
  });

  it('is one conversation however many ask for it at once', async () => {
    const dock = await testDock(AGENTS);
    const opened = await Promise.all([
      dock.createConversation('alice', { participants: ['bob'] }),
      dock.send('bob', 'alice', { content: 'x' }).then(({ conversationId }) => ({ id: conversationId })),
      dock.createConversation('bob', { participants: ['alice'] }),
    ]);
    expect(new Set(opened.map(({ id }) => id)).size).toBe(1);
  });

  it('refuses an unknown agent, a conversation with oneself and a crowd', async () => {
    const dock = await testDock(AGENTS);
    await expect(dock.createConversation('alice', { participants: ['bob', 'x'] })).rejects.toMatchObject({
      code: 'E_NOT_FOUND_AGENT',
      message: 'Agent not found: x',
    });
    await expect(dock.createConversation('alice', { participants: ['alice'] })).rejects.toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
      message: 'participants: a conversation needs someone else',
    });
    const crowd = Array.from({ length: 256 }, (_, n) => `agent-${n}`);
    await expect(dock.createConversation('alice', { participants: crowd })).rejects.toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
      message: 'participants: 257 are too many, at most 256',
    });
  });
});

describe('addParticipants', () => {
  it('adds to a group, and who joins sees what was said', async () => {
    const dock = await testDock(AGENTS);
    const { id } = await dock.createConversation('alice', { participants: ['bob', 'carol'] });
    await dock.sendToConversation('alice', id, { content: 'before' });
    const grown = await dock.addParticipants('bob', id, ['dave', 'carol']);
    expect(grown.participants).toEqual(['alice', 'bob', 'carol', 'dave']);
    await dock.sendToConversation('alice', id, { content: 'after' });
    expect((await dock.peek('dave')).map(({ content }) => content)).toEqual(['after']);
    const { messages } = await dock.fetchConversations('dave', [id]);
    expect(messages.map(({ content }) => content)).toEqual(['before', 'after']);
  });

  it('does not let a third agent into a private conversation of two', async () => {
    const dock = await testDock(AGENTS);
    const { conversationId } = await dock.send('alice', 'bob', { content: 'secret' });
    await expect(dock.addParticipants('alice', conversationId, ['carol'])).rejects.toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
      hint: 'Create a conversation of all of them.',
    });
    expect(await dock.listConversations('carol')).toEqual([]);
  });

  it('adds nobody when one of them is unknown', async () => {
    const dock = await testDock(AGENTS);
    const { id } = await dock.createConversation('alice', { participants: ['bob', 'carol'] });
    await expect(dock.addParticipants('alice', id, ['dave', 'x'])).rejects.toMatchObject({
      code: 'E_NOT_FOUND_AGENT',
    });
    expect((await dock.getConversation('alice', id)).participants).toEqual(['alice', 'bob', 'carol']);
  });
});

describe('a conversation', () => {
  it('is shown to its participants only', async () => {
    const dock = await testDock(AGENTS);
    const { id } = await dock.createConversation('alice', { participants: ['bob', 'carol'] });
    const refused = {
      code: 'E_AUTH_FORBIDDEN',
      message: expect.stringContaining('dave is not in conversation'),
    };
    await expect(dock.getConversation('dave', id)).rejects.toMatchObject(refused);
    await expect(dock.addParticipants('dave', id, ['dave'])).rejects.toMatchObject(refused);
    await expect(dock.fetchConversations('dave', [id])).rejects.toMatchObject(refused);
    await expect(dock.sendToConversation('dave', id, { content: 'x' })).rejects.toMatchObject(refused);
    await expect(dock.getConversation('alice', 'nope')).rejects.toMatchObject({
      code: 'E_NOT_FOUND_CONVERSATION',
      message: 'Conversation not found: nope',
    });
  });

  it('counts a group message once and knows when the last one was sent', async () => {
    const clock = new TestClock();
    const dock = await testDock(AGENTS, clock);
    const { id } = await dock.createConversation('alice', { participants: ['bob', 'carol'] });
    clock.advance(5);
    await dock.sendToConversation('alice', id, { content: 'x' });
    expect(await dock.getConversation('bob', id)).toMatchObject({
      messageCount: 1,
      lastMessageAt: '2026-01-01T00:00:05.000Z',
      updatedAt: '2026-01-01T00:00:05.000Z',
    });
  });

  it('is listed with the latest message first, in pages', async () => {
    const clock = new TestClock();
    const dock = await testDock(AGENTS, clock);
    const opened: string[] = [];
    for (const other of ['bob', 'carol', 'dave']) {
      clock.advance(1);
      opened.push((await dock.createConversation('alice', { participants: [other] })).id);
    }
    clock.advance(1);
    await dock.send('alice', 'bob', { content: 'x' });
    const ids = async (query = {}) => (await dock.listConversations('alice', query)).map(({ id }) => id);
    expect(await ids()).toEqual([opened[0], opened[2], opened[1]]);
    expect(await ids({ limit: 1, page: 2 })).toEqual([opened[2]]);
    expect(await dock.listConversations('bob')).toHaveLength(1);
  });
});
