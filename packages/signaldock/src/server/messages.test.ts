import { MAX_CONTENT_BYTES } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { TestClock } from '../dock.test.kit.ts';
import { type TestServer, testServer } from './server.test.kit.ts';

const start = (clock = new TestClock()) =>
  testServer({ agents: ['alice', 'bob', 'carol'], dock: { now: clock.now } });

const send = async ({ ask }: TestServer, content: string, more: object = {}) =>
  (await ask('POST /messages', { as: 'alice', body: { toAgentId: 'bob', content, ...more } })).body.data
    .message;

const contents = async ({ ask }: TestServer, request: string, as = 'bob') =>
  (await ask(`GET ${request}`, { as })).body.data.messages.map(({ content }: { content: string }) => content);

describe('sending', () => {
  it('answers the stored message', async () => {
    const message = await send(await start(), 'Look at T12 /review @bob #now');
    expect(message).toMatchObject({
      fromAgentId: 'alice',
      toAgentId: 'bob',
      status: 'pending',
      seq: 1,
      createdAt: '2026-01-01T00:00:00.000Z',
      metadata: { mentions: ['bob'], directives: ['review'], tags: ['#now'], taskRefs: ['T12'] },
    });
  });

  it.each(['/messages', '/conversations/:id/messages'])(
    'POST %s stores once what has the same idempotency key',
    async (path) => {
      const server = await start();
      const { conversationId } = await send(server, 'first');
      const again = () =>
        server.ask(`POST ${path.replace(':id', conversationId)}`, {
          as: 'alice',
          body: { toAgentId: 'bob', content: 'again' },
          headers: { 'idempotency-key': 'k' },
        });
      const [one, two] = [await again(), await again()];
      expect(two.body.data).toEqual(one.body.data);
      expect(await contents(server, '/messages/peek')).toEqual(['first', 'again']);
    },
  );

  it('a group message has a copy for each, with one groupId', async () => {
    const server = await start();
    const { body } = await server.ask('POST /conversations', {
      as: 'alice',
      body: { participants: ['bob', 'carol'] },
    });
    const { id } = body.data.conversation;
    await server.ask(`POST /conversations/${id}/messages`, { as: 'alice', body: { content: 'all' } });
    const copies = await Promise.all(
      ['bob', 'carol'].map(
        async (as) => (await server.ask('GET /messages/peek', { as })).body.data.messages[0],
      ),
    );
    expect(copies[0].groupId).toBe(copies[1].groupId);
    expect(copies[0].id).not.toBe(copies[1].id);
    const listed = (await server.ask(`GET /conversations/${id}/messages`, { as: 'carol' })).body.data
      .messages;
    expect(listed.map(({ id }: { id: string }) => id)).toEqual([copies[1].id]);
  });

  it.each([
    ['to an agent nobody knows', { toAgentId: 'nobody', content: 'x' }, 404, 'E_NOT_FOUND_AGENT', undefined],
    ['without content', { toAgentId: 'bob' }, 400, 'E_VALIDATION_MISSING_FIELD', 'content'],
    ['of the wrong type', { toAgentId: 'bob', content: 1 }, 400, 'E_VALIDATION_SCHEMA', 'content'],
    [
      'to what is no id',
      { toAgentId: '../bob', content: 'x' },
      400,
      'E_VALIDATION_INVALID_FORMAT',
      'toAgentId',
    ],
    [
      'in answer to nothing',
      { toAgentId: 'bob', content: 'x', replyTo: '' },
      400,
      'E_VALIDATION_CONSTRAINT',
      'replyTo',
    ],
    ['to itself', { toAgentId: 'alice', content: 'x' }, 400, 'E_VALIDATION_CONSTRAINT', undefined],
  ])('a message %s is refused', async (_, body, status, code, field) => {
    const { ask } = await start();
    const answer = await ask('POST /messages', { as: 'alice', body });
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatchObject({ code, ...(field && { details: { field } }) });
  });

  it('no body at all is a missing one', async () => {
    const { ask } = await start();
    const { status, body } = await ask('POST /messages', { as: 'alice' });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'E_VALIDATION_MISSING_FIELD', details: { field: 'body' } });
  });

  it.each([
    ['letters', 'x'],
    ['NULs, each of which JSON writes as six characters', '\0'],
    ['three bytes each', '漢'],
  ])('1 MiB of content arrives whole: %s', async (_, character) => {
    const server = await start();
    const content = character.repeat(MAX_CONTENT_BYTES / Buffer.byteLength(character));
    await send(server, content);
    expect((await contents(server, '/messages/peek'))[0] === content).toBe(true);
  });

  it('one byte more than 1 MiB is refused', async () => {
    const { ask } = await start();
    const body = { toAgentId: 'bob', content: 'x'.repeat(MAX_CONTENT_BYTES + 1) };
    const { status, body: answer } = await ask('POST /messages', { as: 'alice', body });
    expect(status).toBe(400);
    expect(answer.error.code).toBe('E_VALIDATION_CONSTRAINT');
  });
});

describe('poll, peek and ack', () => {
  it('peek answers the unread, oldest first, and changes nothing', async () => {
    const server = await start();
    for (const content of ['1', '2', '3']) await send(server, content);
    expect(await contents(server, '/messages/peek')).toEqual(['1', '2', '3']);
    expect(await contents(server, '/messages/peek?limit=2')).toEqual(['1', '2']);
    expect(await contents(server, '/messages/peek')).toEqual(['1', '2', '3']);
  });

  it('poll answers a message once, and it can still be peeked', async () => {
    const server = await start();
    await send(server, '1');
    expect(await contents(server, '/messages/poll/new')).toEqual(['1']);
    expect(await contents(server, '/messages/poll/new')).toEqual([]);
    const { body } = await server.ask('GET /messages/peek', { as: 'bob' });
    expect(body.data.messages).toMatchObject([{ content: '1', status: 'delivered' }]);
  });

  it('poll with a cursor answers whatever came after it, read or not; peek the unread only', async () => {
    const server = await start();
    const [first, second] = [await send(server, '1'), await send(server, '2')];
    await send(server, '3');
    await server.ask('POST /messages/ack', { as: 'bob', body: { messageIds: [second.id] } });
    expect(await contents(server, `/messages/poll/new?since=${first.id}`)).toEqual(['2', '3']);
    expect(await contents(server, `/messages/poll/new?after_seq=${first.seq}`)).toEqual(['2', '3']);
    expect(await contents(server, `/messages/peek?after_seq=${first.seq}`)).toEqual(['3']);
  });

  it('since is a message id or a time, and an unknown id means from the beginning', async () => {
    const clock = new TestClock();
    const server = await start(clock);
    const first = await send(server, '1');
    const between = new Date(clock.now()).toISOString();
    clock.advance(1);
    await send(server, '2');
    expect(await contents(server, `/messages/peek?since=${first.id}`)).toEqual(['2']);
    expect(await contents(server, `/messages/peek?since=${between}`)).toEqual(['2']);
    expect(await contents(server, `/messages/peek?after=${between}`)).toEqual(['2']);
    expect(await contents(server, '/messages/peek?since=unknown')).toEqual(['1', '2']);
  });

  it('mentioned leaves out what mentions somebody else or nobody', async () => {
    const server = await start();
    for (const content of ['hello', '@carol', '@BOB', '@all']) await send(server, content);
    expect(await contents(server, '/messages/peek?mentioned=bob')).toEqual(['@BOB', '@all']);
  });

  it('ack marks as read what is the agent’s own, once', async () => {
    const server = await start();
    const [first, second] = [await send(server, '1'), await send(server, '2')];
    const ack = async (as: string, messageIds: string[]) =>
      (await server.ask('POST /messages/ack', { as, body: { messageIds } })).body.data;
    expect(await ack('carol', [first.id])).toEqual({ acked: 0, ids: [] });
    expect(await ack('bob', [first.id, 'unknown'])).toEqual({ acked: 1, ids: [first.id] });
    expect(await ack('bob', [first.id])).toEqual({ acked: 0, ids: [] });
    expect((await server.ask(`POST /messages/${second.id}/ack`, { as: 'bob' })).body.data).toEqual({
      acked: 1,
      ids: [second.id],
    });
    expect(await contents(server, '/messages/peek')).toEqual([]);
    expect((await server.ask(`GET /messages/${first.id}`, { as: 'alice' })).body.data.message.status).toBe(
      'read',
    );
  });

  it.each([
    ['limit=0', 'E_VALIDATION_CONSTRAINT', 'limit'],
    ['limit=many', 'E_VALIDATION_SCHEMA', 'limit'],
    ['limit=1&limit=2', 'E_VALIDATION_SCHEMA', 'limit'],
    ['after_seq=-1', 'E_VALIDATION_CONSTRAINT', 'after_seq'],
    ['after_seq=1.5', 'E_VALIDATION_SCHEMA', 'after_seq'],
    ['mentioned=@bob', 'E_VALIDATION_INVALID_FORMAT', 'mentioned'],
  ])('?%s is refused', async (query, code, field) => {
    const { ask } = await start();
    const { status, body } = await ask(`GET /messages/peek?${query}`, { as: 'bob' });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code, details: { field } });
  });

  it('a time that is none is refused', async () => {
    const { ask } = await start();
    const { body } = await ask('GET /messages/peek?after=yesterday', { as: 'bob' });
    expect(body.error.code).toBe('E_VALIDATION_CONSTRAINT');
  });

  it('a limit above 200 is cut', async () => {
    const server = await start();
    await Promise.all(
      Array.from({ length: 201 }, (_, n) => server.dock.send('alice', 'bob', { content: `${n}` })),
    );
    expect(await contents(server, '/messages/peek?limit=100000')).toHaveLength(200);
  });

  it('the summary and the overview count what is unread', async () => {
    const server = await start();
    const { conversationId } = await send(server, 'plain');
    const asked = await send(server, 'Please /review @bob');
    const summary = await server.ask('GET /messages/unread-summary', { as: 'bob' });
    expect(summary.body.data.conversations).toEqual([
      { conversationId, unread: 2, lastAt: '2026-01-01T00:00:00.000Z' },
    ]);
    const overview = await server.ask('GET /agents/bob/inbox', { as: 'bob' });
    expect(overview.body.data).toMatchObject({
      unreadTotal: 2,
      mentions: 1,
      actionItems: [{ id: asked.id, fromAgentId: 'alice', preview: 'Please /review @bob' }],
      conversations: [{ conversationId, unreadCount: 2 }],
    });
  });
});

describe('conversations', () => {
  it('a private one of two is opened once, and does not grow', async () => {
    const { ask } = await start();
    const open = () => ask('POST /conversations', { as: 'alice', body: { participants: ['bob'] } });
    const [one, two] = [await open(), await open()];
    expect(two.body.data).toEqual(one.body.data);
    const { id } = one.body.data.conversation;
    const add = await ask(`POST /conversations/${id}/participants`, {
      as: 'bob',
      body: { participants: ['carol'] },
    });
    expect(add.status).toBe(400);
    const listed = await ask('GET /conversations?limit=5', { as: 'bob' });
    expect(listed.body.data.conversations).toMatchObject([{ id, participants: ['alice', 'bob'] }]);
  });

  it('their messages are listed either way, paged and cut', async () => {
    const server = await start();
    const { conversationId } = await send(server, '1'.repeat(300));
    await send(server, '2');
    await send(server, '3');
    const path = `/conversations/${conversationId}/messages`;
    expect(await contents(server, `${path}?compact=true`)).toEqual(['1'.repeat(200), '2', '3']);
    expect(await contents(server, `${path}?sort=desc&limit=2`)).toEqual(['3', '2']);
    expect(await contents(server, `${path}?limit=2&page=2`)).toEqual(['3']);
    expect(await contents(server, `${path}?after_seq=2`)).toEqual(['3']);
  });

  it('several are read in one ascending page', async () => {
    const server = await start();
    const toBob = await send(server, '1');
    const toCarol = (
      await server.ask('POST /messages', { as: 'alice', body: { toAgentId: 'carol', content: '2' } })
    ).body.data.message;
    await send(server, '3');
    const scan = async (query: string, as = 'alice') =>
      (
        await server.ask(
          `GET /conversations/messages?ids=${toBob.conversationId},${toCarol.conversationId}&${query}`,
          { as },
        )
      ).body;
    const page = (await scan('after_seq=0&limit=2')).data;
    expect(page).toMatchObject({ messages: [{ content: '1' }, { content: '2' }], cursor: 2, more: true });
    const rest = (await scan(`after_seq=${page.cursor}`)).data;
    expect(rest).toMatchObject({ messages: [{ content: '3' }], cursor: 3, more: false });
    expect((await scan('', 'bob')).error.code).toBe('E_AUTH_FORBIDDEN');
  });

  it('search finds words in the agent’s own conversations only', async () => {
    const server = await start();
    await send(server, 'The quick brown fox');
    const { conversationId } = await send(server, 'A slow fox');
    expect(await contents(server, '/messages/search?q=quick%20fox')).toEqual(['The quick brown fox']);
    expect(
      await contents(server, `/messages/search?q=fox&conversationId=${conversationId}&limit=1`),
    ).toHaveLength(1);
    expect(await contents(server, '/messages/search?q=fox', 'carol')).toEqual([]);
    const { status, body } = await server.ask('GET /messages/search', { as: 'bob' });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'E_VALIDATION_MISSING_FIELD', details: { field: 'q' } });
  });
});
