import {
  ackSchema,
  agentPathSchema,
  idPathSchema,
  pollQuerySchema,
  wireMessageSchema,
  wireMetadataSchema,
} from '@cleocode/contracts';
import { z } from 'zod';
import { type Route, route, withCursor } from '../route.ts';

const messagesAnswer = z.object({ messages: z.array(wireMessageSchema) });
const ackAnswer = z.object({ acked: z.int(), ids: z.array(z.string()) });

const overviewAnswer = z.object({
  unreadTotal: z.int(),
  actionItems: z.array(
    z.object({
      id: z.string(),
      fromAgentId: z.string(),
      conversationId: z.string(),
      preview: z.string(),
      metadata: wireMetadataSchema,
      createdAt: z.string(),
    }),
  ),
  mentions: z.int(),
  conversations: z.array(z.object({ conversationId: z.string(), unreadCount: z.int() })),
});

export const inboxRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/messages/peek',
    auth: 'agent',
    summary: 'Unread messages, oldest first. Changes nothing.',
    query: pollQuerySchema,
    answer: messagesAnswer,
    async handle({ dock }, { agentId, query }) {
      return { messages: await dock.peek(agentId, withCursor(query)) };
    },
  }),
  route({
    method: 'GET',
    path: '/messages/poll/new',
    auth: 'agent',
    summary:
      'Pending messages, oldest first; they become delivered and do not come again. Prefer peek and ack.',
    query: pollQuerySchema,
    answer: messagesAnswer,
    async handle({ dock }, { agentId, query }) {
      return { messages: await dock.pollNew(agentId, withCursor(query)) };
    },
  }),
  route({
    method: 'POST',
    path: '/messages/ack',
    auth: 'agent',
    summary: 'Mark messages as read. Ids that are not addressed to the agent are ignored.',
    body: ackSchema,
    answer: ackAnswer,
    async handle({ dock }, { agentId, body: { messageIds } }) {
      return dock.ack(agentId, messageIds);
    },
  }),
  route({
    method: 'POST',
    path: '/messages/:id/ack',
    auth: 'agent',
    summary: 'Mark one message as read.',
    params: idPathSchema,
    answer: ackAnswer,
    async handle({ dock }, { agentId, params: { id } }) {
      return dock.ack(agentId, [id]);
    },
  }),
  route({
    method: 'GET',
    path: '/agents/:id/inbox',
    auth: 'owner',
    summary: 'What is unread, and what of it asks for something.',
    params: agentPathSchema,
    answer: overviewAnswer,
    async handle({ dock }, { agentId }) {
      return dock.inboxOverview(agentId);
    },
  }),
  route({
    method: 'GET',
    path: '/messages/unread-summary',
    auth: 'agent',
    summary: 'Per conversation with unread messages, the latest first.',
    answer: z.object({
      conversations: z.array(z.object({ conversationId: z.string(), unread: z.int(), lastAt: z.string() })),
    }),
    async handle({ dock }, { agentId }) {
      return { conversations: await dock.unreadSummary(agentId) };
    },
  }),
];
