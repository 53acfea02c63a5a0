import { expect, it } from 'vitest';
import { EXAMPLES, keyOf, type World, world } from './examples.test.kit.ts';
import { ROUTES } from './routes/index.ts';

/** Who asks, in the order of the columns below. The route's path names ann and her group, which pat shares. */
const CALLERS: Record<string, (world: World) => Record<string, string>> = {
  'no key': () => ({}),
  'a wrong key': ({ as }) => ({ ...as('ann'), authorization: `Bearer sk_live_${'0'.repeat(64)}` }),
  "ann's name and another's key": ({ as }) => ({ ...as('otto'), 'x-agent-id': 'ann' }),
  'an agent with no part in it': ({ as }) => as('otto'),
  'a participant': ({ as }) => as('pat'),
  'the owner': ({ as }) => as('ann'),
};

const ANYONE = [200, 200, 200, 200, 200, 200];
const AGENT = [401, 401, 401, 200, 200, 200];
const OWNER = [401, 401, 401, 403, 403, 200];
const PARTICIPANT = [401, 401, 401, 403, 200, 200];

const EXPECTED: Record<string, readonly number[]> = {
  'GET /': ANYONE,
  'GET /health': ANYONE,
  'GET /openapi.json': ANYONE,
  // The first to come registers it.
  'POST /agents': [201, 409, 409, 409, 409, 409],
  'GET /agents': AGENT,
  'GET /agents/online': AGENT,
  'GET /agents/:id': AGENT,
  'PUT /agents/:id': OWNER,
  'DELETE /agents/:id': OWNER,
  'GET /agents/:id/card': AGENT,
  'POST /agents/:id/heartbeat': OWNER,
  'PUT /agents/:id/status': OWNER,
  'GET /agents/:id/online': AGENT,
  // Whoever is the owner has a key.
  'POST /agents/:id/generate-key': [401, 401, 401, 403, 403, 409],
  'POST /agents/:id/rotate-key': OWNER,
  'GET /agents/:id/connection-kit': OWNER,
  'GET /agents/:id/inbox': OWNER,
  'POST /messages': AGENT,
  'GET /messages/search': AGENT,
  // Pat sent it and ann got it; to others it does not exist.
  'GET /messages/:id': [401, 401, 401, 404, 200, 200],
  'GET /messages/peek': AGENT,
  'GET /messages/poll/new': AGENT,
  'POST /messages/ack': AGENT,
  'POST /messages/:id/ack': AGENT,
  'GET /messages/unread-summary': AGENT,
  'GET /messages/stream': AGENT,
  'GET /messages/stream/status': ANYONE,
  'GET /conversations': AGENT,
  'POST /conversations': AGENT,
  'GET /conversations/messages': PARTICIPANT,
  'GET /conversations/:id': PARTICIPANT,
  'GET /conversations/:id/messages': PARTICIPANT,
  'POST /conversations/:id/messages': PARTICIPANT,
  'POST /conversations/:id/participants': PARTICIPANT,
};

it('every route stands in the matrix, and nothing else', () => {
  expect(Object.keys(EXPECTED).sort()).toEqual(ROUTES.map(keyOf).sort());
});

it.each(ROUTES.map(keyOf))('%s answers each caller as the matrix says', async (key) => {
  const here = await world();
  const { url, body } = EXAMPLES[key]!(here);
  const statuses: Record<string, number> = {};
  for (const [caller, headers] of Object.entries(CALLERS)) {
    const answer = await here.app.inject({
      method: key.split(' ')[0] as 'GET',
      url,
      headers: headers(here),
      ...(body !== undefined && { payload: body as object }),
      payloadAsStream: true,
    });
    statuses[caller] = answer.statusCode;
    answer.stream().destroy();
  }
  expect(statuses).toEqual(
    Object.fromEntries(Object.keys(CALLERS).map((who, at) => [who, EXPECTED[key]![at]])),
  );
});

it('a route that needs a key says which headers it takes, and that it is a bearer', async () => {
  const { ask } = await world();
  const { status, headers, body } = await ask('GET /messages/peek', {
    headers: { authorization: 'Basic YTpi' },
  });
  expect(status).toBe(401);
  expect(headers['www-authenticate']).toBe('Bearer');
  expect(body.error).toMatchObject({
    code: 'E_AUTH_UNAUTHORIZED',
    hint: 'Send the headers Authorization: Bearer <key> and X-Agent-Id: <agent id>.',
  });
});

it('a wrong key and an agent that does not exist are told apart by nothing but the name', async () => {
  const { ask } = await world();
  const tell = async (agentId: string) => {
    const headers = { authorization: `Bearer sk_live_${'0'.repeat(64)}`, 'x-agent-id': agentId };
    const { status, body } = await ask('GET /messages/peek', { headers });
    return { status, error: JSON.parse(JSON.stringify(body.error).replaceAll(agentId, 'X')) };
  };
  expect(await tell('ann')).toEqual(await tell('nobody'));
});

it('an owner route refuses a stranger before it looks whether the agent exists', async () => {
  const { ask } = await world();
  const { status, body } = await ask('PUT /agents/not-there', { as: 'otto', body: { name: 'Mine' } });
  expect(status).toBe(403);
  expect(body.error.code).toBe('E_AUTH_FORBIDDEN');
});

it('a body is not read before the key is looked at', async () => {
  const { ask } = await world();
  const { status } = await ask('PUT /agents/ann', {
    headers: { 'content-type': 'application/json' },
    body: '{',
  });
  expect(status).toBe(401);
});

it('a key that was rotated says so when its overlap is over', async () => {
  const { ask } = await world();
  await ask('POST /agents/ann/rotate-key', { as: 'ann', body: { overlapSeconds: 0 } });
  const { status, body } = await ask('GET /messages/peek', { as: 'ann' });
  expect(status).toBe(401);
  expect(body.error.code).toBe('E_AUTH_EXPIRED_TOKEN');
});

it('the query opens a stream, and nothing else', async () => {
  const { app, as } = await world();
  const key = as('ann').authorization!.slice('Bearer '.length);
  const query = `?token=${key}&agent_id=ann`;
  const stream = await app.inject({ url: `/messages/stream${query}`, payloadAsStream: true });
  expect(stream.statusCode).toBe(200);
  expect(stream.headers['content-type']).toMatch('text/event-stream');
  stream.stream().destroy();
  expect((await app.inject(`/messages/peek${query}`)).statusCode).toBe(401);
});
