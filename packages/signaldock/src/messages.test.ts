import { MAX_CONTENT_BYTES, wireMessageSchema } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { query, TestClock, testDock } from './dock.test.kit.ts';

const AGENTS = ['alice', 'bob', 'carol'];

describe('send', () => {
  it('stores the message for its recipient and answers it', async () => {
    const dock = await testDock(AGENTS, new TestClock());
    const attachments = [{ id: 'a1', contentType: 'image/png', url: 'https://example.com/a.png' }];
    const message = await dock.send('alice', 'bob', {
      content: 'look @bob',
      contentType: 'rich_text',
      replyTo: 'm0',
      attachments,
      metadata: { project: 'cleo' },
    });
    expect(message).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      conversationId: expect.any(String),
      fromAgentId: 'alice',
      toAgentId: 'bob',
      content: 'look @bob',
      contentType: 'rich_text',
      status: 'pending',
      createdAt: '2026-01-01T00:00:00.000Z',
      attachments,
      replyTo: 'm0',
      metadata: { mentions: ['bob'], project: 'cleo' },
      seq: 1,
    });
    expect(wireMessageSchema.parse(message)).toEqual(message);
    expect(await dock.peek('bob')).toEqual([message]);
    expect(await dock.peek('alice')).toEqual([]);
    expect(await dock.peek('carol')).toEqual([]);
  });

  it('keeps one conversation for two agents, whoever writes', async () => {
    const dock = await testDock(AGENTS);
    const first = await dock.send('alice', 'bob', { content: '1' });
    const second = await dock.send('bob', 'alice', { content: '2' });
    const other = await dock.send('alice', 'carol', { content: '3' });
    expect(second.conversationId).toBe(first.conversationId);
    expect(other.conversationId).not.toBe(first.conversationId);
  });

  it('numbers messages strictly upwards, also after some were deleted', async () => {
    const clock = new TestClock();
    const dock = await testDock(AGENTS, clock);
    const { id } = await dock.send('alice', 'bob', { content: '1' });
    await dock.ack('bob', [id]);
    clock.advance(40 * 86_400);
    expect(await dock.prune()).toMatchObject({ messages: 1 });
    expect(query(dock.file, 'SELECT * FROM messages')).toEqual([]);
    expect((await dock.send('alice', 'bob', { content: '2' })).seq).toBe(2);
  });

  it.each([
    ['empty', ''],
    ['emoji', '👩‍👩‍👧‍👦 \u{1F600} \u200f עברית 中文'],
    ['with a NUL', 'a\0b'],
    ['with every line ending', 'a\r\nb\nc\rd\u2028e'],
    ['JSON', '{"a":"\\u0000\\""}'],
    ['SQL', "'; DROP TABLE messages; --"],
  ])('keeps text that is %s', async (_, content) => {
    const dock = await testDock(AGENTS);
    await dock.send('alice', 'bob', { content });
    expect((await dock.peek('bob'))[0]!.content).toBe(content);
  });

  it('replaces half a surrogate pair, in its answer too', async () => {
    const dock = await testDock(AGENTS);
    const sent = await dock.send('alice', 'bob', { content: 'a\ud800b' });
    expect(sent.content).toBe('a\ufffdb');
    expect(await dock.peek('bob')).toEqual([sent]);
  });

  it('takes 1 MiB of UTF-8 and not a byte more', async () => {
    const dock = await testDock(AGENTS);
    const full = 'é'.repeat(MAX_CONTENT_BYTES / 2);
    await dock.send('alice', 'bob', { content: full });
    expect((await dock.peek('bob'))[0]!.content).toBe(full);
    for (const content of [`${full}.`, 'x'.repeat(MAX_CONTENT_BYTES + 1)])
      await expect(dock.send('alice', 'bob', { content })).rejects.toMatchObject({
        code: 'E_VALIDATION_CONSTRAINT',
        message: expect.stringContaining(`at most ${MAX_CONTENT_BYTES}`),
        retryable: false,
      });
    expect(await dock.peek('bob')).toHaveLength(1);
  });

  it.each([
    ['an unknown recipient', 'alice', 'x', 'E_NOT_FOUND_AGENT', 'Agent not found: x'],
    ['an unknown sender', 'x', 'bob', 'E_NOT_FOUND_AGENT', 'Agent not found: x'],
    ['oneself', 'alice', 'alice', 'E_VALIDATION_CONSTRAINT', 'toAgentId: an agent cannot message itself'],
    ['what is no id', 'alice', 'a b', 'E_VALIDATION_INVALID_FORMAT', expect.stringMatching(/^toAgentId: /)],
  ])('refuses %s and stores nothing', async (_, from, to, code, message) => {
    const dock = await testDock(AGENTS);
    await expect(dock.send(from, to, { content: 'x' })).rejects.toMatchObject({ code, message });
    expect(query(dock.file, 'SELECT * FROM posts')).toEqual([]);
    expect(query(dock.file, 'SELECT * FROM conversations')).toEqual([]);
    expect((await dock.getAgent('alice')).stats.messagesSent).toBe(0);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['no content', {}, 'E_VALIDATION_MISSING_FIELD'],
    ['content that is no text', { content: 7 }, 'E_VALIDATION_SCHEMA'],
    ['metadata that is no object', { content: '', metadata: [] }, 'E_VALIDATION_SCHEMA'],
    ['mentions that are no list', { content: '', metadata: { mentions: 'bob' } }, 'E_VALIDATION_SCHEMA'],
    ['metadata without end', { content: '', metadata: { a: 'x'.repeat(70_000) } }, 'E_VALIDATION_CONSTRAINT'],
    ['an endless replyTo', { content: '', replyTo: 'x'.repeat(129) }, 'E_VALIDATION_CONSTRAINT'],
  ])('refuses %s', async (_, message, code) => {
    const dock = await testDock(AGENTS);
    await expect(dock.send('alice', 'bob', message as never)).rejects.toMatchObject({ code });
  });

  it('fails alone: what others send in the same instant is stored', async () => {
    const dock = await testDock(AGENTS);
    const results = await Promise.allSettled(
      ['bob', 'x', 'carol', 'y', 'bob'].map((to) => dock.send('alice', to, { content: to })),
    );
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(await dock.peek('bob')).toHaveLength(2);
    expect((await dock.getAgent('alice')).stats.messagesSent).toBe(3);
  });
});

describe('sendToConversation', () => {
  it('makes one copy for each other participant, under one group id', async () => {
    const dock = await testDock([...AGENTS, 'dave']);
    const { id } = await dock.createConversation('alice', { participants: ['bob', 'carol', 'dave'] });
    const answer = await dock.sendToConversation('bob', id, { content: 'to all' });
    const copies = (await Promise.all(['alice', 'carol', 'dave'].map((agent) => dock.peek(agent)))).flat();
    expect(copies).toHaveLength(3);
    expect(copies[0]).toEqual(answer);
    expect(new Set(copies.map(({ groupId }) => groupId))).toEqual(new Set([answer.groupId]));
    expect(answer.groupId).toEqual(expect.any(String));
    expect(new Set(copies.map((copy) => copy.id)).size).toBe(3);
    expect(copies.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(await dock.peek('bob')).toEqual([]);
    expect(query(dock.file, 'SELECT content FROM posts')).toHaveLength(1);
  });

  it('is a direct message in a private conversation of two', async () => {
    const dock = await testDock(AGENTS);
    const { conversationId } = await dock.send('alice', 'bob', { content: 'x' });
    const answer = await dock.sendToConversation('bob', conversationId, { content: 'y' });
    expect(answer).toMatchObject({ toAgentId: 'alice', conversationId });
    expect(answer.groupId).toBeUndefined();
  });
});

describe('an idempotency key', () => {
  it('answers the first message for 24 hours, on both routes', async () => {
    const clock = new TestClock();
    const dock = await testDock(AGENTS, clock);
    const first = await dock.send('alice', 'bob', { content: '1' }, { idempotencyKey: 'k' });
    clock.advance(86_399);
    expect(await dock.send('alice', 'bob', { content: '2' }, { idempotencyKey: 'k' })).toEqual(first);
    expect(
      await dock.sendToConversation('alice', first.conversationId, { content: '3' }, { idempotencyKey: 'k' }),
    ).toEqual(first);
    expect(await dock.peek('bob')).toHaveLength(1);
    clock.advance(1);
    const second = await dock.send('alice', 'bob', { content: '4' }, { idempotencyKey: 'k' });
    expect(second.id).not.toBe(first.id);
    expect(await dock.send('alice', 'bob', { content: '5' }, { idempotencyKey: 'k' })).toEqual(second);
  });

  it('answers the message as it stands now', async () => {
    const dock = await testDock(AGENTS);
    const { id } = await dock.send('alice', 'bob', { content: 'x' }, { idempotencyKey: 'k' });
    await dock.ack('bob', [id]);
    expect(await dock.send('alice', 'bob', { content: 'x' }, { idempotencyKey: 'k' })).toMatchObject({
      id,
      status: 'read',
    });
  });

  it('stores one message when the same send comes twice at once', async () => {
    const dock = await testDock(AGENTS);
    const { id } = await dock.createConversation('alice', { participants: ['bob', 'carol'] });
    const send = () => dock.sendToConversation('alice', id, { content: 'x' }, { idempotencyKey: 'k' });
    const [first, second] = await Promise.all([send(), send()]);
    expect(second).toEqual(first);
    expect(await dock.peek('bob')).toHaveLength(1);
    expect((await dock.getConversation('alice', id)).messageCount).toBe(1);
  });

  it('belongs to its sender', async () => {
    const dock = await testDock(AGENTS);
    await dock.send('alice', 'carol', { content: 'from alice' }, { idempotencyKey: 'k' });
    await dock.send('bob', 'carol', { content: 'from bob' }, { idempotencyKey: 'k' });
    expect(await dock.peek('carol')).toHaveLength(2);
  });

  it.each(['', 'x'.repeat(256)])('has 1 to 255 characters: %j', async (idempotencyKey) => {
    const dock = await testDock(AGENTS);
    await expect(dock.send('alice', 'bob', { content: 'x' }, { idempotencyKey })).rejects.toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
    });
  });
});

describe('getMessage', () => {
  it('shows a message to its sender and its recipient, and to nobody else', async () => {
    const dock = await testDock(AGENTS);
    const message = await dock.send('alice', 'bob', { content: 'x' });
    expect(await dock.getMessage('alice', message.id)).toEqual(message);
    expect(await dock.getMessage('bob', message.id)).toEqual(message);
    await expect(dock.getMessage('carol', message.id)).rejects.toMatchObject({
      code: 'E_NOT_FOUND_MESSAGE',
      message: `Message not found: ${message.id}`,
    });
  });
});
