import { WireError, wireAgentSchema } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { query, TestClock, testDock } from './dock.test.kit.ts';

describe('registerAgent', () => {
  it('answers the agent with its defaults, and its key', async () => {
    const clock = new TestClock();
    const dock = await testDock([], clock);
    const { agent, apiKey } = await dock.registerAgent({ agentId: 'bob' });
    expect(agent).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      agentId: 'bob',
      name: 'bob',
      class: 'custom',
      privacyTier: 'public',
      capabilities: [],
      skills: [],
      stats: { messagesSent: 0, messagesReceived: 0, conversationCount: 0, friendCount: 0 },
      status: 'offline',
      isClaimed: false,
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.000Z',
    });
    expect(wireAgentSchema.parse(agent)).toEqual(agent);
    expect(apiKey).toMatch(/^sk_live_[0-9a-f]{64}$/);
  });

  it('keeps everything it is given', async () => {
    const dock = await testDock();
    const given = {
      agentId: 'bob',
      name: 'Bob',
      description: 'builds',
      class: 'code_dev' as const,
      privacyTier: 'private' as const,
      endpoint: 'https://example.com/hook',
      capabilities: ['chat'],
      skills: ['coding', 'my_own-1'],
      avatar: 'https://example.com/bob.png',
      paymentConfig: { plan: 'free' },
    };
    await dock.registerAgent(given);
    expect(await dock.getAgent('bob')).toMatchObject(given);
  });

  it('refuses an id that exists, in any case', async () => {
    const dock = await testDock(['bob']);
    for (const agentId of ['bob', 'BOB'])
      await expect(dock.registerAgent({ agentId })).rejects.toMatchObject({
        code: 'E_CONFLICT_ALREADY_EXISTS',
        message: 'Agent already exists: bob',
      });
  });

  it('refuses a payment configuration that would make every list long', async () => {
    const dock = await testDock();
    const paymentConfig = { terms: 'x'.repeat(65_536) };
    await expect(dock.registerAgent({ agentId: 'alice', paymentConfig })).rejects.toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
      message: 'paymentConfig: 65548 characters of JSON are too many, at most 65536',
    });
  });

  it('refuses "all", which calls everyone', async () => {
    const dock = await testDock();
    await expect(dock.registerAgent({ agentId: 'All' })).rejects.toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
    });
  });

  it.each<[string, Record<string, unknown>, string, string]>([
    ['an id with a space', { agentId: 'a b' }, 'E_VALIDATION_INVALID_FORMAT', 'agentId'],
    ['no id', {}, 'E_VALIDATION_MISSING_FIELD', 'agentId'],
    ['a class nobody knows', { agentId: 'a', class: 'astronaut' }, 'E_VALIDATION_SCHEMA', 'class'],
    ['a name of 257 letters', { agentId: 'a', name: 'x'.repeat(257) }, 'E_VALIDATION_CONSTRAINT', 'name'],
    [
      'a capability with a space',
      { agentId: 'a', capabilities: ['x', 'a b'] },
      'E_VALIDATION_INVALID_FORMAT',
      'capabilities.1',
    ],
  ])('refuses %s and names it', async (_, input, code, field) => {
    const dock = await testDock();
    const error = await dock.registerAgent(input as never).catch((thrown) => thrown);
    expect(WireError.is(error, code)).toBe(true);
    expect(error.message).toMatch(new RegExp(`^${field.replace('.', '\\.')}: `));
    expect(error.details).toEqual({ field });
  });
});

describe('getAgent', () => {
  it('names an agent it does not know and the command that registers it', async () => {
    const dock = await testDock();
    await expect(dock.getAgent('x')).rejects.toMatchObject({
      code: 'E_NOT_FOUND_AGENT',
      message: 'Agent not found: x',
      hint: 'Register it first: cleo agent register x',
    });
  });

  it('counts what was sent, received, and the conversations', async () => {
    const dock = await testDock(['alice', 'bob', 'carol']);
    const { id } = await dock.createConversation('alice', { participants: ['bob', 'carol'] });
    await dock.sendToConversation('alice', id, { content: 'to two' });
    await dock.send('alice', 'bob', { content: 'to one' });
    expect((await dock.getAgent('alice')).stats).toMatchObject({
      messagesSent: 2,
      messagesReceived: 0,
      conversationCount: 2,
    });
    expect((await dock.getAgent('bob')).stats).toMatchObject({ messagesSent: 0, messagesReceived: 2 });
    expect((await dock.getAgent('carol')).stats).toMatchObject({ messagesReceived: 1, conversationCount: 1 });
  });
});

describe('listAgents', () => {
  async function crowd() {
    const clock = new TestClock();
    const dock = await testDock([], clock);
    const add = async (agentId: string, more = {}) => {
      await dock.registerAgent({ agentId, ...more });
      clock.advance(1);
    };
    await add('alice', { class: 'research', capabilities: ['chat'], description: 'Reads papers' });
    await add('bob', { skills: ['coding'], privacyTier: 'private' });
    await add('carol', { capabilities: ['chat', 'search'] });
    return { dock, clock };
  }
  const ids = (agents: { agentId: string }[]) => agents.map(({ agentId }) => agentId);

  it('lists the newest first, in pages', async () => {
    const { dock } = await crowd();
    expect(ids(await dock.listAgents())).toEqual(['carol', 'bob', 'alice']);
    expect(ids(await dock.listAgents({ limit: 2 }))).toEqual(['carol', 'bob']);
    expect(ids(await dock.listAgents({ limit: 2, page: 2 }))).toEqual(['alice']);
  });

  it('filters by each property', async () => {
    const { dock, clock } = await crowd();
    await dock.heartbeat('alice');
    await dock.setStatus('bob', { status: 'busy' });
    expect(ids(await dock.listAgents({ capability: 'chat' }))).toEqual(['carol', 'alice']);
    expect(ids(await dock.listAgents({ skill: 'coding' }))).toEqual(['bob']);
    expect(ids(await dock.listAgents({ class: 'research' }))).toEqual(['alice']);
    expect(ids(await dock.listAgents({ privacyTier: 'private' }))).toEqual(['bob']);
    expect(ids(await dock.listAgents({ status: 'online' }))).toEqual(['alice']);
    expect(ids(await dock.listAgents({ status: 'busy' }))).toEqual(['bob']);
    expect(ids(await dock.listAgents({ search: 'PAPERS' }))).toEqual(['alice']);
    expect(ids(await dock.listAgents({ search: '%' }))).toEqual([]);
    clock.advance(91);
    expect(ids(await dock.listAgents({ status: 'offline' }))).toEqual(['carol', 'bob', 'alice']);
  });

  it('shows a private agent to itself', async () => {
    const { dock } = await crowd();
    for (const agentId of ['alice', 'bob']) await dock.heartbeat(agentId);
    expect(ids(await dock.listAgents({ visibleTo: 'alice' }))).toEqual(['carol', 'alice']);
    expect(ids(await dock.listAgents({ visibleTo: 'bob' }))).toEqual(['carol', 'bob', 'alice']);
    expect(ids(await dock.listOnline('alice'))).toEqual(['alice']);
    expect(ids(await dock.listOnline('bob')).sort()).toEqual(['alice', 'bob']);
  });

  it('sorts by traffic and by when an agent was last seen', async () => {
    const { dock } = await crowd();
    await dock.send('bob', 'alice', { content: 'x' });
    await dock.send('bob', 'carol', { content: 'x' });
    await dock.heartbeat('alice');
    expect(ids(await dock.listAgents({ sort: 'messages' }))).toEqual(['bob', 'alice', 'carol']);
    expect(ids(await dock.listAgents({ sort: 'last_seen' }))[0]).toBe('alice');
  });
});

describe('updateAgent', () => {
  it('changes what it is given and nothing else', async () => {
    const clock = new TestClock();
    const dock = await testDock([], clock);
    const { agent } = await dock.registerAgent({ agentId: 'bob', description: 'builds', skills: ['coding'] });
    clock.advance(5);
    const updated = await dock.updateAgent('bob', { name: 'Bob', skills: [] });
    expect(updated).toEqual({ ...agent, name: 'Bob', skills: [], updatedAt: '2026-01-01T00:00:05.000Z' });
    expect(await dock.getAgent('bob')).toEqual(updated);
  });

  it('takes a status for a sign of life', async () => {
    const dock = await testDock(['bob']);
    expect(await dock.updateAgent('bob', { status: 'busy' })).toMatchObject({ status: 'busy' });
  });

  it('refuses an unknown agent and a wrong value', async () => {
    const dock = await testDock(['bob']);
    await expect(dock.updateAgent('x', {})).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
    await expect(dock.updateAgent('bob', { name: '' })).rejects.toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
    });
  });
});

describe('removeAgent', () => {
  it('ends the agent, its keys and its place in conversations', async () => {
    const dock = await testDock(['alice', 'carol']);
    const { apiKey } = await dock.registerAgent({ agentId: 'bob' });
    const { id } = await dock.createConversation('alice', { participants: ['bob', 'carol'] });
    await dock.removeAgent('bob');
    await expect(dock.getAgent('bob')).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
    await expect(dock.authenticate('bob', apiKey)).rejects.toMatchObject({ code: 'E_AUTH_INVALID_TOKEN' });
    await expect(dock.peek('bob')).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
    await expect(dock.send('alice', 'bob', { content: 'x' })).rejects.toMatchObject({
      code: 'E_NOT_FOUND_AGENT',
    });
    expect((await dock.getConversation('alice', id)).participants).toEqual(['alice', 'carol']);
    await expect(dock.removeAgent('bob')).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
  });

  it('leaves nothing of it to an agent registered later under the same id', async () => {
    const dock = await testDock(['alice', 'bob']);
    const old = await dock.send('alice', 'bob', { content: 'for the first bob' });
    const sent = await dock.send('bob', 'alice', { content: 'x' }, { idempotencyKey: 'k' });
    await dock.removeAgent('bob');
    await dock.registerAgent({ agentId: 'bob' });

    expect(await dock.peek('bob')).toEqual([]);
    expect(await dock.pollNew('bob', { afterSeq: 0 })).toEqual([]);
    expect(await dock.listConversations('bob')).toEqual([]);
    for (const id of [old.id, sent.id])
      await expect(dock.getMessage('bob', id)).rejects.toMatchObject({ code: 'E_NOT_FOUND_MESSAGE' });
    expect(await dock.ack('bob', [old.id])).toEqual({ acked: 0, ids: [] });
    const again = await dock.send('bob', 'alice', { content: 'y' }, { idempotencyKey: 'k' });
    expect(again).toMatchObject({ content: 'y' });
    expect(again.conversationId).not.toBe(old.conversationId);
  });

  it('leaves what it sent to those who got it', async () => {
    const dock = await testDock(['alice', 'bob']);
    const { id, conversationId } = await dock.send('bob', 'alice', { content: 'keep this' });
    await dock.removeAgent('bob');
    expect(await dock.peek('alice')).toMatchObject([{ id, content: 'keep this' }]);
    expect((await dock.fetchConversations('alice', [conversationId])).messages).toHaveLength(1);
    await expect(dock.sendToConversation('alice', conversationId, { content: 'x' })).rejects.toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
      message: `conversation ${conversationId} has nobody else in it any more`,
    });
  });

  it('gives up any number of unread messages', async () => {
    const dock = await testDock(['alice', 'bob']);
    await Promise.all(Array.from({ length: 1_200 }, () => dock.send('alice', 'bob', { content: 'x' })));
    await dock.removeAgent('bob');
    expect(query(dock.file, 'SELECT count(*) AS n FROM messages WHERE read_at IS NULL')).toEqual([{ n: 0 }]);
  });
});
