import { errorEnvelopeSchema, healthSchema, serverFeaturesSchema } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { EXAMPLES, keyOf, world } from './examples.test.kit.ts';
import { ROUTES } from './routes/index.ts';
import { testServer } from './server.test.kit.ts';

const rfc3339 = z.iso.datetime();

// Who may ask for a first key has one, so that route has no success to look at.
const ANSWERING = ROUTES.filter(({ answer, path }) => answer && path !== '/agents/:id/generate-key');

it.each(ANSWERING)('$method $path answers what it says it answers', async (route) => {
  const here = await world();
  const { url, ...request } = EXAMPLES[keyOf(route)]!(here);
  // Whoever calls this route has a key already.
  if (route.path === '/agents/:id/generate-key') return;
  const { status, headers, body } = await here.ask(`${route.method} ${url}`, {
    ...request,
    ...(route.auth !== 'none' && { as: 'ann' }),
  });
  expect(status).toBe(route.status ?? 200);
  expect(headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  const answer = route.answer as z.ZodObject;
  if (route.bare) {
    answer.parse(body);
    return;
  }
  const envelope = z.strictObject({ success: z.literal(true), data: strict(answer), timestamp: rfc3339 });
  envelope.parse(body);
});

it('every error has the envelope of errors', async () => {
  const { ask } = await world();
  for (const request of ['GET /nowhere', 'GET /messages/peek', 'PATCH /agents', 'GET /agents/%zz'])
    errorEnvelopeSchema.required({ timestamp: true }).parse((await ask(request)).body);
});

describe('agents', () => {
  it('registering answers the agent, its key and how to connect', async () => {
    const { ask } = await testServer({ server: { publicUrl: 'https://dock.example.com/' } });
    const { status, body } = await ask('POST /agents', {
      body: { agentId: 'c++.dev-1', webhookSecret: 'x' },
    });
    expect(status).toBe(201);
    const { agent, apiKey, connectionKit } = body.data;
    expect(agent).toMatchObject({ agentId: 'c++.dev-1', status: 'offline' });
    expect(agent).not.toHaveProperty('webhookSecret');
    expect(apiKey).toMatch(/^sk_live_[0-9a-f]{64}$/);
    expect(connectionKit).toEqual({
      apiBase: 'https://dock.example.com',
      authHeader: `Authorization: Bearer ${apiKey}`,
      pollEndpoint: '/messages/poll/new',
      sseEndpoint: '/messages/stream',
      docsUrl: 'https://dock.example.com/openapi.json',
      configTemplate: {
        agentId: 'c++.dev-1',
        apiKey,
        apiBaseUrl: 'https://dock.example.com',
        pollEndpoint: '/messages/poll/new',
        sseEndpoint: '/messages/stream',
      },
    });
    const headers = { authorization: `Bearer ${apiKey}`, 'x-agent-id': 'c++.dev-1' };
    expect((await ask('GET /agents/c%2B%2B.dev-1', { headers })).body.data.agent.agentId).toBe('c++.dev-1');
  });

  it('an id is registered once', async () => {
    const { ask } = await world();
    const { status, body } = await ask('POST /agents', { body: { agentId: 'ANN' } });
    expect(status).toBe(409);
    expect(body.error).toMatchObject({ code: 'E_CONFLICT_ALREADY_EXISTS', category: 'CONFLICT' });
  });

  it('the full record is its owner’s, the card everybody else’s', async () => {
    const { ask } = await world();
    const own = (await ask('GET /agents/ann', { as: 'ann' })).body.data.agent;
    const seen = (await ask('GET /agents/ann', { as: 'otto' })).body.data.agent;
    expect(own).toMatchObject({ id: expect.any(String), updatedAt: expect.any(String) });
    for (const member of ['id', 'ownerId', 'webhookSecret', 'updatedAt', 'organizationId'])
      expect(seen).not.toHaveProperty(member);
    expect((await ask('GET /agents/ann/card', { as: 'otto' })).body.data.card).toEqual(seen);
    const listed = (await ask('GET /agents', { as: 'ann' })).body.data.agents;
    expect(listed.filter((agent: object) => 'id' in agent)).toEqual([]);
  });

  it('a private agent is listed to itself only, and found by whoever knows its id', async () => {
    const { ask, dock } = await world();
    await dock.updateAgent('pat', { privacyTier: 'private' });
    await dock.heartbeat('pat');
    const ids = async (request: string, as: string) =>
      (await ask(request, { as })).body.data.agents.map(({ agentId }: { agentId: string }) => agentId).sort();
    expect(await ids('GET /agents', 'ann')).toEqual(['ann', 'otto', 'rita']);
    expect(await ids('GET /agents', 'pat')).toEqual(['ann', 'otto', 'pat', 'rita']);
    expect(await ids('GET /agents/online', 'ann')).toEqual(['ann']);
    expect(await ids('GET /agents/online', 'pat')).toEqual(['ann', 'pat']);
    expect((await ask('GET /agents/pat', { as: 'ann' })).status).toBe(200);
  });

  it('the list is filtered, sorted and paged by the query', async () => {
    const { ask, dock } = await world();
    await dock.updateAgent('otto', { class: 'research', skills: ['rust'], privacyTier: 'discoverable' });
    const ids = async (query: string) =>
      (await ask(`GET /agents?${query}`, { as: 'ann' })).body.data.agents.map(
        ({ agentId }: { agentId: string }) => agentId,
      );
    for (const query of ['class=research', 'skill=rust', 'privacy=discoverable', 'search=OTT'])
      expect(await ids(query)).toEqual(['otto']);
    expect(await ids('status=online')).toEqual(['ann']);
    expect(await ids('sort=messages&limit=1')).toEqual(['ann']);
    expect(await ids('sort=messages&limit=1&page=2')).toEqual(['pat']);
  });

  it('an agent that is removed is gone, and its key with it', async () => {
    const { ask } = await world();
    expect((await ask('DELETE /agents/ann', { as: 'ann' })).body.data).toEqual({ agentId: 'ann' });
    expect((await ask('GET /agents/ann', { as: 'ann' })).status).toBe(401);
    expect((await ask('GET /agents/ann', { as: 'pat' })).body.error.code).toBe('E_NOT_FOUND_AGENT');
  });
});

describe('presence', () => {
  it.each([
    ['no body', undefined, 'online'],
    ['an empty body', {}, 'online'],
    ['a status', { status: 'busy' }, 'busy'],
  ])('a heartbeat with %s counts', async (_, body, status) => {
    const { ask } = await world();
    const answer = await ask('POST /agents/otto/heartbeat', { as: 'otto', ...(body && { body }) });
    expect(answer.body.data).toMatchObject({ agentId: 'otto', online: true, status });
  });

  it('an empty body that says it is JSON is no body', async () => {
    const { ask } = await world();
    const headers = { 'content-type': 'application/json' };
    expect((await ask('POST /agents/otto/heartbeat', { as: 'otto', headers })).status).toBe(200);
  });

  it('a late word of an earlier instance changes nothing', async () => {
    const { ask } = await world();
    const say = (status: string, instanceId: string) =>
      ask('PUT /agents/otto/status', { as: 'otto', body: { status, instanceId } });
    await say('online', 'old');
    await say('online', 'new');
    expect((await say('offline', 'old')).body.data.status).toBe('online');
    expect((await say('offline', 'new')).body.data.status).toBe('offline');
    expect((await ask('GET /agents/otto/online', { as: 'ann' })).body.data).toMatchObject({ online: false });
  });
});

describe('keys', () => {
  it('a rotation is repeated by its idempotency key, and both keys work while it overlaps', async () => {
    const { ask } = await world();
    const rotate = () =>
      ask('POST /agents/ann/rotate-key', { as: 'ann', headers: { 'idempotency-key': 'rotation-1' } });
    const [first, again] = [await rotate(), await rotate()];
    expect(again.body.data).toEqual(first.body.data);
    const { apiKey, previousKeyExpiresAt } = first.body.data;
    expect(Date.parse(previousKeyExpiresAt) - Date.now()).toBeGreaterThan(590_000);
    const headers = { authorization: `Bearer ${apiKey}`, 'x-agent-id': 'ann' };
    expect((await ask('GET /messages/peek', { headers })).status).toBe(200);
    expect((await ask('GET /messages/peek', { as: 'ann' })).status).toBe(200);
  });

  it('an agent that has a key is given no other', async () => {
    const { ask } = await world();
    const { status, body } = await ask('POST /agents/ann/generate-key', { as: 'ann' });
    expect(status).toBe(409);
    expect(body.error.code).toBe('E_CONFLICT_ALREADY_EXISTS');
  });

  it('the connection kit does not hold the key', async () => {
    const { ask, as } = await world();
    const { body } = await ask('GET /agents/ann/connection-kit', { as: 'ann' });
    expect(body.data.connectionKit.configTemplate.apiKey).toBe('sk_live_…');
    expect(JSON.stringify(body)).not.toContain(as('ann').authorization!.slice(20));
  });
});

describe('the server', () => {
  it('/health tells what the server can do', async () => {
    const { ask } = await testServer({ server: { streamHeartbeatMs: 5_000 } });
    const { body } = await ask('GET /health');
    expect(healthSchema.parse(body)).toMatchObject({ status: 'ok', version: expect.any(String) });
    expect(body.features).toEqual({
      rotationOverlap: true,
      rotationUntilUsed: true,
      idempotentSend: true,
      exactCursor: true,
      conversationScan: true,
      fencedPresence: true,
      streamReplay: 1_000,
      streamHeartbeatMs: 5_000,
    });
    expect(Object.keys(body.features).sort()).toEqual(Object.keys(serverFeaturesSchema.shape).sort());
  });

  it('/health fails when the database cannot be read', async () => {
    const logged: unknown[] = [];
    const logger = { debug() {}, info() {}, error: (_: string, fields?: object) => logged.push(fields) };
    const { ask, dock } = await testServer({ server: { logger } });
    await dock.close();
    const { status, headers, body } = await ask('GET /health');
    expect(status).toBe(503);
    expect(headers['retry-after']).toBe('3');
    expect(body.error).toMatchObject({
      code: 'E_INTERNAL_SERVICE',
      category: 'TRANSIENT',
      retryable: true,
      retry_after_ms: 3_000,
      retryAfterMs: 3_000,
    });
    expect(logged).toMatchObject([
      {
        route: '/health',
        reasons: ['The database cannot be read.', expect.stringContaining('signaldock.db')],
      },
    ]);
  });

  it('what nobody foresaw is answered without a word of it, and logged', async () => {
    const logged: unknown[] = [];
    const logger = { debug() {}, info() {}, error: (...line: unknown[]) => logged.push(line) };
    const { app, dock, as } = await testServer({ agents: ['ann'], server: { logger } });
    await dock.close();
    const answer = await app.inject({ url: '/messages/peek', headers: as('ann') });
    expect(answer.statusCode).toBe(500);
    expect(answer.json().error).toMatchObject({
      code: 'E_INTERNAL_DATABASE',
      message: 'The server failed to answer.',
      hint: 'Try again; the server has logged why.',
    });
    expect(answer.body).not.toContain(dock.file);
    const requestId = answer.headers['x-request-id'];
    expect(logged).toEqual([
      [
        'A request failed',
        expect.objectContaining({
          requestId,
          route: '/messages/peek',
          reasons: [expect.stringContaining('signaldock.db')],
        }),
      ],
    ]);
  });

  it('the status of the streams names the public agents only', async () => {
    const { app, ask, as, dock } = await world();
    await dock.updateAgent('pat', { privacyTier: 'private' });
    const open = (agentId: string) =>
      app.inject({ url: '/messages/stream', headers: as(agentId), payloadAsStream: true });
    const streams = await Promise.all([open('ann'), open('pat')]);
    expect((await ask('GET /messages/stream/status')).body.data).toEqual({
      connectedAgents: 2,
      agentIds: ['ann'],
    });
    for (const stream of streams) stream.stream().destroy();
  });
});

/** Without room for members that the schema does not name, so that one too many shows. */
function strict(schema: z.ZodObject): z.ZodType {
  return z.strictObject(schema.shape);
}
