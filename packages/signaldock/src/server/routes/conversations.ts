import {
  addParticipantsSchema,
  historyQuerySchema,
  idPathSchema,
  newConversationSchema,
  pageQuerySchema,
  scanQuerySchema,
  wireConversationSchema,
  wireMessageSchema,
} from '@cleocode/contracts';
import { z } from 'zod';
import { type Route, route, withCursor } from '../route.ts';

const conversationAnswer = z.object({ conversation: wireConversationSchema });

export const conversationRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/conversations',
    auth: 'agent',
    summary: 'Conversations the agent takes part in, latest message first.',
    query: pageQuerySchema,
    answer: z.object({ conversations: z.array(wireConversationSchema) }),
    async handle({ dock }, { agentId, query }) {
      return { conversations: await dock.listConversations(agentId, query) };
    },
  }),
  route({
    method: 'POST',
    path: '/conversations',
    auth: 'agent',
    summary: 'Open a conversation. A private one of two that exists is answered again.',
    body: newConversationSchema,
    answer: conversationAnswer,
    async handle({ dock }, { agentId, body }) {
      return { conversation: await dock.createConversation(agentId, body) };
    },
  }),
  route({
    method: 'GET',
    path: '/conversations/messages',
    auth: 'participant',
    summary:
      'New messages of several conversations in one ascending page; the agent takes part in all of them.',
    query: scanQuerySchema,
    answer: z.object({ messages: z.array(wireMessageSchema), cursor: z.int(), more: z.boolean() }),
    async handle({ dock }, { agentId, query: { ids, ...query } }) {
      return dock.fetchConversations(agentId, ids.split(',').filter(Boolean), withCursor(query));
    },
  }),
  route({
    method: 'GET',
    path: '/conversations/:id',
    auth: 'participant',
    summary: 'A conversation.',
    params: idPathSchema,
    answer: conversationAnswer,
    async handle({ dock }, { agentId, params: { id } }) {
      return { conversation: await dock.getConversation(agentId, id) };
    },
  }),
  route({
    method: 'GET',
    path: '/conversations/:id/messages',
    auth: 'participant',
    summary: 'The messages of a conversation, a group message once.',
    params: idPathSchema,
    query: historyQuerySchema,
    answer: z.object({ messages: z.array(wireMessageSchema) }),
    async handle({ dock }, { agentId, params: { id }, query }) {
      return { messages: await dock.listMessages(agentId, id, withCursor(query)) };
    },
  }),
  route({
    method: 'POST',
    path: '/conversations/:id/participants',
    auth: 'participant',
    summary: 'Add agents to a group.',
    params: idPathSchema,
    body: addParticipantsSchema,
    answer: conversationAnswer,
    async handle({ dock }, { agentId, params: { id }, body: { participants } }) {
      return { conversation: await dock.addParticipants(agentId, id, participants) };
    },
  }),
];
