import { describe, expect, it, onTestFinished } from 'vitest';
import { registerAgent, SignalDockClient } from './client.ts';
import { connected, testServer } from './harness.test.kit.ts';
import { stub } from './stub.test.kit.ts';

const registered = {
  id: 'u',
  agentId: 'alice',
  name: 'alice',
  class: 'custom',
  privacyTier: 'public',
  capabilities: [],
  skills: [],
  stats: { messagesSent: 0, messagesReceived: 0, conversationCount: 0, friendCount: 0 },
  status: 'online',
  isClaimed: false,
  createdAt: '2026-01-01T00:00:00Z',
  updatedAt: '2026-01-01T00:00:00Z',
};

async function client(url: string, agentId: string, apiKey: string): Promise<SignalDockClient> {
  const made = await SignalDockClient.connect({ apiBaseUrl: url, agentId, apiKey });
  onTestFinished(() => made.close());
  return made;
}

describe('registerAgent', () => {
  it('answers the agent and a key that works', async () => {
    const { url } = await testServer();
    const { agent, apiKey } = await registerAgent(url, { agentId: 'alice', skills: ['coding'] });
    expect(agent).toMatchObject({ agentId: 'alice', name: 'alice', skills: ['coding'] });
    expect(await (await connected(url, { agentId: 'alice', apiKey })).poll()).toEqual([]);
  });

  it('sends what the record requires', async () => {
    const server = await stub(() => ({ agent: registered, apiKey: 'sk_test_new' }));
    await registerAgent(server.url, { agentId: 'alice' });
    expect(JSON.parse(server.received[0]!.body)).toEqual({
      agentId: 'alice',
      name: 'alice',
      class: 'custom',
      privacyTier: 'public',
      capabilities: [],
      skills: [],
    });
    expect(server.received[0]!.headers.authorization).toBeUndefined();
  });

  it('finds the key beside the agent or inside it, and leaves none inside', async () => {
    const server = await stub();
    const inside = { ...registered, apiKey: 'sk_test_new' };
    for (const data of [
      { agent: inside },
      { agent: registered, apiKey: 'sk_test_new' },
      { agent: inside, apiKey: 'sk_test_new' },
    ]) {
      server.answer = () => data;
      expect(await registerAgent(server.url, { agentId: 'alice' })).toEqual({
        agent: registered,
        apiKey: 'sk_test_new',
      });
    }
    server.answer = () => ({ agent: registered });
    await expect(registerAgent(server.url, { agentId: 'alice' })).rejects.toMatchObject({
      code: 'E_TRANSPORT_INVALID',
    });
  });

  it('says that the id is taken', async () => {
    const { url } = await testServer(['alice']);
    await expect(registerAgent(url, { agentId: 'alice' })).rejects.toMatchObject({
      code: 'E_CONFLICT_ALREADY_EXISTS',
      details: { agentId: 'alice', status: 409 },
    });
  });

  it('refuses to show the new key to a network, unless told; and leaves nothing open', async () => {
    await expect(registerAgent('http://192.0.2.1', { agentId: 'alice' })).rejects.toMatchObject({
      code: 'E_TRANSPORT_INSECURE',
    });
    const server = await stub(() => ({ agent: registered, apiKey: 'k' }));
    await registerAgent(server.url, { agentId: 'alice' }, { allowInsecure: true });
    await expect.poll(() => server.open()).toBe(0);
  });

  it('is not tried again when it may have been done', async () => {
    const server = await stub((_, response) => void response.destroy());
    await expect(registerAgent(server.url, { agentId: 'alice' })).rejects.toMatchObject({
      code: 'E_TRANSPORT_UNREACHABLE',
    });
    expect(server.received).toHaveLength(1);
  });

  it('ends with its signal', async () => {
    const server = await stub(() => undefined);
    const reason = new Error('no longer wanted');
    const signal = AbortSignal.abort(reason);
    await expect(registerAgent(server.url, { agentId: 'alice' }, { signal })).rejects.toBe(reason);
  });
});

describe('a client', () => {
  it('opens conversations and lists them, latest first', async () => {
    const { url, keys } = await testServer(['alice', 'bob', 'carol']);
    const alice = await client(url, 'alice', keys.alice!);
    const first = await alice.createConversation({ participants: ['bob', 'carol'], visibility: 'shared' });
    const second = await alice.createConversation({ participants: ['bob'] });
    expect(first.participants).toEqual(['alice', 'bob', 'carol']);
    expect(await alice.createConversation({ participants: ['bob'] }), 'a private one is one').toEqual(second);
    const transport = await connected(url, { agentId: 'alice', apiKey: keys.alice! });
    await transport.push('', 'hi', { conversationId: first.id });
    const ids = async (query?: object) => (await alice.listConversations(query)).map(({ id }) => id);
    expect(await ids()).toEqual([first.id, second.id]);
    expect([await ids({ limit: 1 }), await ids({ limit: 1, page: 2 })]).toEqual([[first.id], [second.id]]);
  });

  it('reads agents', async () => {
    const { url, keys } = await testServer(['alice', 'bob']);
    const alice = await client(url, 'alice', keys.alice!);
    expect(await alice.getAgent('bob')).toMatchObject({ agentId: 'bob', status: 'offline' });
    await expect(alice.getAgent('nobody')).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
  });

  it('removes its agent, and then its key is worth nothing', async () => {
    const { url, keys } = await testServer(['alice']);
    const alice = await client(url, 'alice', keys.alice!);
    await alice.removeAgent('alice');
    await expect(alice.getAgent('alice')).rejects.toMatchObject({ code: 'E_AUTH_INVALID_TOKEN' });
  });

  it('hears that its key is refused', async () => {
    const { url } = await testServer(['alice']);
    const alice = await client(url, 'alice', 'sk_test_wrong');
    await expect(alice.getAgent('alice')).rejects.toMatchObject({ code: 'E_AUTH_INVALID_TOKEN' });
  });
});
