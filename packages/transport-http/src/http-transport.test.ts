import { inspect } from 'node:util';
import { MAX_CONTENT_BYTES } from '@cleocode/contracts';
import { describe, expect, it, vi } from 'vitest';
import { connected } from './harness.test.kit.ts';
import { HttpTransport } from './http-transport.ts';
import { ALL_FEATURES, stub, wireMessage } from './stub.test.kit.ts';
import { VERSION } from './version.ts';

describe('connecting', () => {
  it('makes no request', async () => {
    const server = await stub();
    await connected(server.url);
    expect([server.connections, server.healthChecks]).toEqual([0, 0]);
  });

  it('works while the server is down', async () => {
    const transport = await connected('http://127.0.0.1:9');
    await expect(transport.poll()).rejects.toMatchObject({ code: 'E_TRANSPORT_UNREACHABLE' });
  });

  it('refuses an address that would show the key, and stays what it was', async () => {
    const transport = new HttpTransport();
    const config = { agentId: 'alice', apiKey: 'sk_test_key', apiBaseUrl: 'http://192.0.2.1' };
    await expect(transport.connect(config)).rejects.toMatchObject({ code: 'E_TRANSPORT_INSECURE' });
    await expect(transport.connect({ ...config, apiBaseUrl: 'local:' })).rejects.toMatchObject({
      code: 'E_TRANSPORT_ADDRESS',
    });
    await expect(transport.poll()).rejects.toMatchObject({
      code: 'E_TRANSPORT_NOT_CONNECTED',
      message: 'HttpTransport not connected. Call connect() first.',
    });
    await transport.connect({ ...config, apiBaseUrl: (await stub()).url });
    await expect(transport.connect(config)).rejects.toMatchObject({ code: 'E_TRANSPORT_INSECURE' });
    expect(await transport.poll()).toEqual([]);
    await transport.disconnect();
  });

  it('in the same way again leaves alone what is under way, in another way ends it', async () => {
    const [first, second] = [await stub(() => undefined), await stub()];
    const transport = await connected(first.url);
    const ended: unknown[] = [];
    const polling = transport.poll().catch((error) => ended.push(error));
    await vi.waitFor(() => expect(first.received).toHaveLength(1));
    await transport.connect({ agentId: 'alice', apiKey: 'sk_test_key', apiBaseUrl: first.url });
    expect(ended).toEqual([]);
    await transport.connect({ agentId: 'alice', apiKey: 'sk_test_other', apiBaseUrl: second.url });
    await polling;
    expect(ended).toEqual([
      expect.objectContaining({
        code: 'E_TRANSPORT_NOT_CONNECTED',
        message: 'disconnected while a request was under way',
      }),
    ]);
    expect(await transport.poll()).toEqual([]);
    expect(second.received[0]?.headers.authorization).toBe('Bearer sk_test_other');
  });

  it('keeps the prefix of the address', async () => {
    const server = await stub();
    await (await connected(`${server.url}/dock/v1/`)).poll({ limit: 5 });
    expect(server.received[0]?.path).toBe('/dock/v1/messages/peek?limit=5');
  });
});

describe('each request', () => {
  it('says who asks, and asks for nothing that must be unpacked', async () => {
    const server = await stub();
    await (await connected(server.url)).poll();
    expect(server.received[0]).toMatchObject({
      method: 'GET',
      path: '/messages/peek',
      headers: {
        authorization: 'Bearer sk_test_key',
        'x-agent-id': 'alice',
        accept: 'application/json',
        'accept-encoding': 'identity',
        'user-agent': `cleo-runtime/${VERSION}`,
      },
    });
  });

  it('ends with its signal, at once and with its reason', async () => {
    const server = await stub(() => undefined);
    const transport = await connected(server.url);
    const ending = new AbortController();
    const polling = transport.poll({ signal: ending.signal });
    await vi.waitFor(() => expect(server.received).toHaveLength(1));
    const reason = new Error('no longer wanted');
    ending.abort(reason);
    await expect(polling).rejects.toBe(reason);
    await vi.waitFor(() => expect(server.open(), 'all but the one of the health check').toBe(1));
  });
});

describe('push', () => {
  const sent = { message: { id: 'm1', conversationId: 'c1' } };

  it('sends to an agent', async () => {
    const server = await stub(() => sent);
    const transport = await connected(server.url);
    const answer = await transport.push('bob', 'hi', {
      idempotencyKey: 'k',
      metadata: { a: 1 },
      replyTo: 'm0',
    });
    expect(answer).toEqual({ messageId: 'm1', conversationId: 'c1' });
    expect(server.received[0]).toMatchObject({ method: 'POST', path: '/messages' });
    expect(server.received[0]?.headers['idempotency-key']).toBe('k');
    expect(JSON.parse(server.received[0]!.body)).toEqual({
      toAgentId: 'bob',
      content: 'hi',
      replyTo: 'm0',
      metadata: { a: 1 },
    });
  });

  it('sends into a conversation, whatever its id', async () => {
    const server = await stub(() => ({ id: 'm1' }));
    const transport = await connected(server.url);
    const answer = await transport.push('bob', 'hi', { conversationId: 'a/../b?' });
    expect(answer, 'the id may stand bare').toEqual({ messageId: 'm1', conversationId: 'a/../b?' });
    expect(server.received[0]?.path).toBe('/conversations/a%2F..%2Fb%3F/messages');
    expect(JSON.parse(server.received[0]!.body)).toEqual({ content: 'hi' });
  });

  it('always carries a key, another one for each, and one that a header can hold', async () => {
    const server = await stub(() => sent);
    const transport = await connected(server.url);
    await transport.push('bob', 'a');
    await transport.push('bob', 'b');
    await transport.push('bob', 'c', { idempotencyKey: 'ключ\n' });
    await transport.push('bob', 'd', { idempotencyKey: 'x'.repeat(256) });
    const keys = server.received.map(({ headers }) => headers['idempotency-key']);
    expect(keys).toEqual(keys.map(() => expect.stringMatching(/^[\x21-\x7e]{36,64}$/)));
    expect(new Set(keys).size).toBe(4);
  });

  it('of too much is refused before it is sent', async () => {
    const server = await stub(() => sent);
    const transport = await connected(server.url);
    await expect(transport.push('bob', 'é'.repeat(MAX_CONTENT_BYTES / 2 + 1))).rejects.toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
      message: `content: ${MAX_CONTENT_BYTES + 2} bytes are too many, at most ${MAX_CONTENT_BYTES}`,
    });
    expect(server.received).toEqual([]);
  });
});

describe('poll', () => {
  it('peeks, with the cursor and never with a mention', async () => {
    const server = await stub(() => ({ messages: [wireMessage(8), wireMessage(9, { groupId: 'g' })] }));
    const transport = await connected(server.url);
    const messages = await transport.poll({ limit: 2, afterSeq: 7, since: 'm7' });
    expect(server.received[0]?.path).toBe('/messages/peek?limit=2&since=m7&after_seq=7');
    expect(messages).toEqual([
      expect.objectContaining({ id: 'm8', from: 'bob', content: '8', threadId: 'c', seq: 8 }),
      expect.objectContaining({ id: 'm9', groupId: 'g', seq: 9 }),
    ]);
  });

  it('hands on a damaged message that has an id, reports those without, and loses none of the others', async () => {
    const damaged = { ...wireMessage(2), content: 7 };
    const page = [
      wireMessage(1),
      damaged,
      { ...wireMessage(3), id: undefined },
      null,
      'text',
      wireMessage(4),
    ];
    const server = await stub(() => ({ messages: page }));
    const onError = vi.fn();
    const transport = await connected(server.url, { onError });
    const messages = await transport.poll();
    expect(messages.map(({ id }) => id)).toEqual(['m1', 'm2', 'm4']);
    expect(messages[1]).toEqual(damaged);
    await transport.poll();
    expect(onError.mock.calls, 'once, not with each poll').toEqual([
      [expect.objectContaining({ code: 'E_TRANSPORT_INVALID', details: { count: 3 } })],
    ]);
  });
});

describe('ack', () => {
  it('goes out in parts of 200, and for nothing not at all', async () => {
    const server = await stub((_, response) => void response.writeHead(204).end());
    const transport = await connected(server.url);
    await transport.ack([]);
    expect(server.received).toEqual([]);
    const ids = Array.from({ length: 401 }, (_, n) => `m${n}`);
    await transport.ack(ids);
    const parts = server.received.map(({ body }) => JSON.parse(body).messageIds as string[]);
    expect(parts.map(({ length }) => length)).toEqual([200, 200, 1]);
    expect(parts.flat()).toEqual(ids);
  });
});

describe('fetchConversation', () => {
  it('asks for several conversations at once', async () => {
    const server = await stub(() => ({ messages: [wireMessage(8)], cursor: 8, more: true }));
    const transport = await connected(server.url);
    const page = await transport.fetchConversation(['a', 'b'], { afterSeq: 7, limit: 1 });
    expect(server.received[0]?.path).toBe('/conversations/messages?ids=a%2Cb&after_seq=7&limit=1');
    expect(page).toEqual({ messages: [expect.objectContaining({ id: 'm8' })], cursor: 8, more: true });
  });

  it('of none asks for none', async () => {
    const server = await stub();
    const transport = await connected(server.url);
    expect(await transport.fetchConversation([], { afterSeq: 7 })).toEqual({
      messages: [],
      cursor: 7,
      more: false,
    });
    expect(server.received).toEqual([]);
  });
});

describe('a server of the record', () => {
  const agent = (more: object) => ({
    agent: { agentId: 'bob', status: 'online', lastSeen: new Date().toISOString(), ...more },
  });

  it('is polled without a cursor, and its messages have none', async () => {
    const { seq: _, ...recorded } = wireMessage(1);
    const server = await stub(() => ({ messages: [recorded] }));
    server.features = undefined;
    const [message] = await (await connected(server.url)).poll({ afterSeq: 7 });
    expect(server.received[0]?.path).toBe('/messages/peek');
    expect(message).toMatchObject({ id: 'm1', from: 'bob' });
    expect(message).not.toHaveProperty('seq');
  });

  it('cannot show what is new in conversations, and is not asked', async () => {
    const server = await stub();
    server.features = undefined;
    await expect((await connected(server.url)).fetchConversation(['c'])).rejects.toMatchObject({
      code: 'E_GROUPS_UNSUPPORTED',
      retryable: false,
    });
    expect(server.received).toEqual([]);
  });

  it('is told no more of presence than it knows, and a heartbeat does not make a busy agent look free', async () => {
    const server = await stub(() => ({}));
    server.features = undefined;
    const transport = await connected(server.url);
    await transport.heartbeat({ status: 'online', instanceId: 'i', reason: 'r' });
    await transport.heartbeat({ status: 'busy', instanceId: 'i' });
    await transport.setStatus({ status: 'offline', instanceId: 'i' });
    expect(server.received.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['POST', '/agents/alice/heartbeat', '{"status":"online"}'],
      ['POST', '/agents/alice/heartbeat', '{"status":"busy"}'],
      ['PUT', '/agents/alice/status', '{"status":"busy"}'],
      ['PUT', '/agents/alice/status', '{"status":"offline"}'],
    ]);
  });

  it.each([
    ['online', 0, 'online', true],
    ['busy', 89, 'busy', true],
    ['online', 100, 'stale', false],
    ['online', 200, 'offline', false],
    ['offline', 0, 'offline', false],
  ] as const)('has an agent that is %s and was seen %i s ago: %s', async (status, age, shown, online) => {
    // The server's clock is an hour ahead of ours.
    const serverTime = Date.now() + 3_600_000;
    const lastSeen = new Date(serverTime - age * 1_000).toISOString();
    const server = await stub((_, response) => {
      response.setHeader('date', new Date(serverTime).toUTCString());
      return agent({ status, lastSeen, class: 'custom', name: 'Bob', privacyTier: 'public' });
    });
    server.features = undefined;
    const presence = await (await connected(server.url)).isOnline('bob');
    expect(server.received[0]?.path).toBe('/agents/bob');
    expect(presence).toEqual({ agentId: 'bob', online, status: shown, lastSeen });
  });

  it('makes a new key without an overlap, and is not asked for one twice', async () => {
    const server = await stub(() => ({ apiKey: 'sk_test_new' }));
    server.features = undefined;
    const transport = await connected(server.url);
    expect(await transport.rotateKey({ overlapSeconds: 60 })).toEqual({
      apiKey: 'sk_test_new',
      issuedAt: expect.any(String),
    });
    expect(server.received[0]).toMatchObject({ method: 'POST', path: '/agents/alice/rotate-key', body: '' });
    server.answer = (_, response) => void response.destroy();
    await expect(transport.rotateKey()).rejects.toMatchObject({ code: 'E_TRANSPORT_UNREACHABLE' });
    expect(server.received).toHaveLength(2);
  });

  it('may have no health check at all', async () => {
    const server = await stub();
    server.features = null;
    await (await connected(server.url)).poll({ afterSeq: 3 });
    expect(server.received[0]?.path).toBe('/messages/peek');
  });
});

describe('what a server can do', () => {
  it('is asked once, and again when the server was away', async () => {
    const server = await stub();
    const transport = await connected(server.url);
    await transport.poll({ afterSeq: 1 });
    await transport.poll({ afterSeq: 1 });
    expect(server.healthChecks).toBe(1);
    server.answer = (_, response) => void response.destroy();
    await expect(transport.poll()).rejects.toMatchObject({ code: 'E_TRANSPORT_UNREACHABLE' });
    server.features = { ...ALL_FEATURES, exactCursor: false };
    server.answer = () => ({ messages: [] });
    await transport.poll({ afterSeq: 1 });
    await transport.poll({ afterSeq: 1 });
    expect(server.healthChecks).toBe(2);
    expect(server.received.at(-1)?.path).toBe('/messages/peek');
  });

  it('is asked once for all transports to it', async () => {
    const server = await stub();
    const transports = await Promise.all(
      Array.from({ length: 20 }, (_, n) => connected(server.url, { agentId: `agent-${n}` })),
    );
    await Promise.all(transports.map((transport) => transport.poll()));
    expect(server.healthChecks).toBe(1);
  });
});

it('a transport shows nothing of itself', async () => {
  const server = await stub();
  const transport = await connected(server.url);
  expect(inspect(transport, { depth: 9, showHidden: true })).not.toContain('sk_test');
  expect(JSON.stringify(transport)).not.toContain('sk_test');
});
