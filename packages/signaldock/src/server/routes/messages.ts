import {
  directMessageSchema,
  idPathSchema,
  newMessageSchema,
  searchQuerySchema,
  wireMessageSchema,
} from '@cleocode/contracts';
import { z } from 'zod';
import { type Route, route } from '../route.ts';

/** 1 MiB of content must pass whole, and JSON may write a character as six: `\u0000`. */
const SEND_BODY_LIMIT = 8 * 1024 * 1024;

export const messageRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/messages',
    auth: 'agent',
    summary: 'Send to one agent, in the private conversation of the two.',
    body: directMessageSchema,
    bodyLimit: SEND_BODY_LIMIT,
    idempotent: true,
    answer: z.object({ message: wireMessageSchema }),
    async handle({ dock }, { agentId, body: { toAgentId, ...message }, idempotencyKey }) {
      return { message: await dock.send(agentId, toAgentId, message, { idempotencyKey }) };
    },
  }),
  route({
    method: 'POST',
    path: '/conversations/:id/messages',
    auth: 'participant',
    summary: 'Send to everyone else in a conversation.',
    params: idPathSchema,
    body: newMessageSchema,
    bodyLimit: SEND_BODY_LIMIT,
    idempotent: true,
    answer: z.object({ message: wireMessageSchema }),
    async handle({ dock }, { agentId, params: { id }, body, idempotencyKey }) {
      return { message: await dock.sendToConversation(agentId, id, body, { idempotencyKey }) };
    },
  }),
  route({
    method: 'GET',
    path: '/messages/search',
    auth: 'agent',
    summary: "Messages of the agent's own conversations that hold all the words, best first.",
    query: searchQuerySchema,
    answer: z.object({ messages: z.array(wireMessageSchema) }),
    async handle({ dock }, { agentId, query }) {
      return { messages: await dock.searchMessages(agentId, query) };
    },
  }),
  route({
    method: 'GET',
    path: '/messages/:id',
    auth: 'agent',
    summary: 'A message that the agent sent or got.',
    params: idPathSchema,
    answer: z.object({ message: wireMessageSchema }),
    async handle({ dock }, { agentId, params: { id } }) {
      return { message: await dock.getMessage(agentId, id) };
    },
  }),
];
