import {
  type AgentCard,
  agentCardSchema,
  agentPatchSchema,
  agentPathSchema,
  heartbeatSchema,
  listAgentsQuerySchema,
  newAgentSchema,
  presenceReportSchema,
  type WireAgent,
  wireAgentSchema,
  wirePresenceSchema,
} from '@cleocode/contracts';
import { z } from 'zod';
import { connectionKit, connectionKitSchema } from '../connection-kit.ts';
import { type Route, route } from '../route.ts';

const presenceAnswer = z.object(wirePresenceSchema.shape);

export const agentRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/agents',
    auth: 'none',
    summary: 'Register an agent. The key is answered here, once.',
    body: newAgentSchema,
    status: 201,
    answer: z.object({ agent: wireAgentSchema, apiKey: z.string(), connectionKit: connectionKitSchema }),
    async handle({ dock, publicUrl }, { body }) {
      const { agent, apiKey } = await dock.registerAgent(body);
      return { agent, apiKey, connectionKit: connectionKit(publicUrl, agent.agentId, apiKey) };
    },
  }),
  route({
    method: 'GET',
    path: '/agents',
    auth: 'agent',
    summary: 'Find agents. Private ones are shown to themselves only.',
    query: listAgentsQuerySchema,
    answer: z.object({ agents: z.array(agentCardSchema) }),
    async handle({ dock }, { agentId, query: { privacy, ...filter } }) {
      const found = await dock.listAgents({
        ...filter,
        ...(privacy && { privacyTier: privacy }),
        visibleTo: agentId,
      });
      return { agents: found.map(cardOf) };
    },
  }),
  route({
    method: 'GET',
    path: '/agents/online',
    auth: 'agent',
    summary: 'Agents that are online or busy, last seen first.',
    answer: z.object({ agents: z.array(presenceAnswer) }),
    async handle({ dock }, { agentId }) {
      return { agents: await dock.listOnline(agentId) };
    },
  }),
  route({
    method: 'GET',
    path: '/agents/:id',
    auth: 'agent',
    summary: 'An agent: its full record to itself, its card to others.',
    params: agentPathSchema,
    answer: z.object({ agent: agentCardSchema }),
    async handle({ dock }, { agentId, params: { id } }) {
      const agent = await dock.getAgent(id);
      return { agent: agentId === id ? agent : cardOf(agent) };
    },
  }),
  route({
    method: 'PUT',
    path: '/agents/:id',
    auth: 'owner',
    summary: 'Change an agent.',
    params: agentPathSchema,
    body: agentPatchSchema,
    answer: z.object({ agent: wireAgentSchema }),
    async handle({ dock }, { agentId, body }) {
      return { agent: await dock.updateAgent(agentId, body) };
    },
  }),
  route({
    method: 'DELETE',
    path: '/agents/:id',
    auth: 'owner',
    summary: 'Remove an agent, its keys and its place in conversations.',
    params: agentPathSchema,
    answer: z.object({ agentId: z.string() }),
    async handle({ dock }, { agentId }) {
      await dock.removeAgent(agentId);
      return { agentId };
    },
  }),
  route({
    method: 'GET',
    path: '/agents/:id/card',
    auth: 'agent',
    summary: 'An agent as everyone sees it.',
    params: agentPathSchema,
    answer: z.object({ card: agentCardSchema }),
    async handle({ dock }, { params: { id } }) {
      return { card: cardOf(await dock.getAgent(id)) };
    },
  }),
  route({
    method: 'POST',
    path: '/agents/:id/heartbeat',
    auth: 'owner',
    summary: 'The agent is there; without a body it is online.',
    params: agentPathSchema,
    body: heartbeatSchema,
    answer: presenceAnswer,
    async handle({ dock }, { agentId, body }) {
      await dock.heartbeat(agentId, body);
      return dock.presence(agentId);
    },
  }),
  route({
    method: 'PUT',
    path: '/agents/:id/status',
    auth: 'owner',
    summary: 'Set the status. A late word of an earlier instance is ignored.',
    params: agentPathSchema,
    body: presenceReportSchema,
    answer: presenceAnswer,
    async handle({ dock }, { agentId, body }) {
      await dock.setStatus(agentId, body);
      return dock.presence(agentId);
    },
  }),
  route({
    method: 'GET',
    path: '/agents/:id/online',
    auth: 'agent',
    summary: 'Whether an agent is online, computed now.',
    params: agentPathSchema,
    answer: presenceAnswer,
    async handle({ dock }, { params: { id } }) {
      return dock.presence(id);
    },
  }),
];

/** What others may see of an agent. */
function cardOf(agent: WireAgent): AgentCard {
  const { id: _, ownerId: __, webhookSecret: ___, updatedAt: ____, organizationId: _____, ...card } = agent;
  return card;
}
