import { z } from 'zod';
import type { Dock } from '../../dock.ts';
import { type Route, route } from '../route.ts';

export const streamRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/messages/stream',
    auth: 'agent',
    summary:
      'New messages as server-sent events; Last-Event-ID brings back what was missed. The query is for clients that cannot set headers.',
    query: z.object({ token: z.string().optional(), agent_id: z.string().optional() }),
    async handle({ streams }, { agentId, lastEventId, response, stillAllowed }) {
      const resume = lastEventId === undefined ? {} : { lastEventId };
      streams.open(agentId, response, { ...resume, stillAllowed });
      return undefined;
    },
  }),
  route({
    method: 'GET',
    path: '/messages/stream/status',
    auth: 'none',
    summary: 'How many agents have a stream open, and which of them are public.',
    answer: z.object({ connectedAgents: z.int(), agentIds: z.array(z.string()) }),
    async handle({ dock, streams }) {
      const { connectedAgents, agentIds } = streams.status();
      const shown = await Promise.all(agentIds.map((agentId) => isPublic(dock, agentId)));
      return { connectedAgents, agentIds: agentIds.filter((_, index) => shown[index]) };
    },
  }),
];

async function isPublic(dock: Dock, agentId: string): Promise<boolean> {
  // One that was removed a moment ago is about to lose its stream.
  const agent = await dock.getAgent(agentId).catch(() => undefined);
  return agent?.privacyTier === 'public';
}
