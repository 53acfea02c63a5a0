import type { AskOptions, TestServer } from './server.test.kit.ts';
import { testServer } from './server.test.kit.ts';

/** Agents of {@link world}: the one that owns, one that shares a group with it, one that does not. */
const AGENTS = ['ann', 'pat', 'otto', 'rita'] as const;

export interface World extends TestServer {
  /** Ann's group with pat. */
  group: string;
  /** What pat sent to ann alone, unread. */
  message: string;
}

export interface Example extends Omit<AskOptions, 'as'> {
  /** The path and the query. */
  url: string;
}

/** A server where something has happened already. */
export async function world(): Promise<World> {
  const server = await testServer({ agents: AGENTS });
  const { dock } = server;
  const { id: group } = await dock.createConversation('ann', { participants: ['pat'], visibility: 'shared' });
  const { id: message } = await dock.send('pat', 'ann', { content: 'Look at T12 /review @ann' });
  await dock.sendToConversation('pat', group, { content: 'To everyone' });
  await dock.heartbeat('ann');
  return { ...server, group, message };
}

/** For each route a request that ann may send, and that succeeds. */
export const EXAMPLES: Record<string, (world: World) => Example> = {
  'GET /': () => ({ url: '/' }),
  'GET /health': () => ({ url: '/health' }),
  'GET /openapi.json': () => ({ url: '/openapi.json' }),
  'POST /agents': () => ({
    url: '/agents',
    body: { agentId: 'new', name: 'New', class: 'code_dev', webhookSecret: 'kept by nobody' },
  }),
  'GET /agents': () => ({ url: '/agents?sort=messages&limit=10&page=1' }),
  'GET /agents/online': () => ({ url: '/agents/online' }),
  'GET /agents/:id': () => ({ url: '/agents/ann' }),
  'PUT /agents/:id': () => ({ url: '/agents/ann', body: { description: 'Answers', status: 'busy' } }),
  'DELETE /agents/:id': () => ({ url: '/agents/ann' }),
  'GET /agents/:id/card': () => ({ url: '/agents/ann/card' }),
  'POST /agents/:id/heartbeat': () => ({ url: '/agents/ann/heartbeat' }),
  'PUT /agents/:id/status': () => ({ url: '/agents/ann/status', body: { status: 'busy' } }),
  'GET /agents/:id/online': () => ({ url: '/agents/ann/online' }),
  'POST /agents/:id/generate-key': () => ({ url: '/agents/ann/generate-key' }),
  'POST /agents/:id/rotate-key': () => ({ url: '/agents/ann/rotate-key', body: { overlapSeconds: 60 } }),
  'GET /agents/:id/connection-kit': () => ({ url: '/agents/ann/connection-kit' }),
  'GET /agents/:id/inbox': () => ({ url: '/agents/ann/inbox' }),
  'POST /messages': () => ({ url: '/messages', body: { toAgentId: 'rita', content: 'Hello' } }),
  'GET /messages/search': () => ({ url: '/messages/search?q=look' }),
  'GET /messages/:id': ({ message }) => ({ url: `/messages/${message}` }),
  'GET /messages/peek': () => ({ url: '/messages/peek?limit=500&after_seq=0' }),
  'GET /messages/poll/new': () => ({ url: '/messages/poll/new' }),
  'POST /messages/ack': ({ message }) => ({ url: '/messages/ack', body: { messageIds: [message] } }),
  'POST /messages/:id/ack': ({ message }) => ({ url: `/messages/${message}/ack` }),
  'GET /messages/unread-summary': () => ({ url: '/messages/unread-summary' }),
  'GET /messages/stream': () => ({ url: '/messages/stream' }),
  'GET /messages/stream/status': () => ({ url: '/messages/stream/status' }),
  'GET /conversations': () => ({ url: '/conversations?page=0' }),
  'POST /conversations': () => ({ url: '/conversations', body: { participants: ['rita'] } }),
  'GET /conversations/messages': ({ group }) => ({ url: `/conversations/messages?ids=${group}&after_seq=0` }),
  'GET /conversations/:id': ({ group }) => ({ url: `/conversations/${group}` }),
  'GET /conversations/:id/messages': ({ group }) => ({
    url: `/conversations/${group}/messages?sort=desc&compact=true`,
  }),
  'POST /conversations/:id/messages': ({ group }) => ({
    url: `/conversations/${group}/messages`,
    body: { content: 'Hello all', toAgentId: 'nobody reads this' },
  }),
  'POST /conversations/:id/participants': ({ group }) => ({
    url: `/conversations/${group}/participants`,
    body: { participants: ['rita'] },
  }),
};

export const keyOf = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;
