import {
  type AgentPresence,
  agentCardSchema,
  type PresenceReport,
  wirePresenceSchema,
} from '@cleocode/contracts';
import { z } from 'zod';
import { type Api, type ApiRequest, type Call, DONE } from './api.ts';
import { agentPath } from './paths.ts';

/** An agent that was seen this lately is there, as servers that compute presence have it. */
const FRESH_MS = 90_000;
const STALE_MS = 180_000;

const agentSchema = z.object({
  agent: agentCardSchema.pick({ agentId: true, status: true, lastSeen: true }),
});

export async function heartbeat(
  api: Api,
  agentId: string,
  report: PresenceReport,
  call: Call,
): Promise<void> {
  await api.ask(await telling(api, 'POST', agentPath(agentId, 'heartbeat'), report), DONE, call);
  // On the record a heartbeat means online, whatever it says.
  const { fencedPresence } = await api.features();
  if (!fencedPresence && report.status !== 'online') await setStatus(api, agentId, report, call);
}

export async function setStatus(
  api: Api,
  agentId: string,
  report: PresenceReport,
  call: Call,
): Promise<void> {
  await api.ask(await telling(api, 'PUT', agentPath(agentId, 'status'), report), DONE, call);
}

export async function isOnline(api: Api, agentId: string, call: Call): Promise<AgentPresence> {
  const { fencedPresence } = await api.features();
  if (fencedPresence) {
    const request = { method: 'GET', path: agentPath(agentId, 'online'), use: 'read' } as const;
    return (await api.ask(request, wirePresenceSchema, call)).data;
  }
  const request = { method: 'GET', path: agentPath(agentId), use: 'read' } as const;
  const { data, serverTime } = await api.ask(request, agentSchema, call);
  return presenceOf(data.agent, serverTime);
}

async function telling(
  api: Api,
  method: 'POST' | 'PUT',
  path: string,
  { status, reason, instanceId }: PresenceReport,
): Promise<ApiRequest> {
  const { fencedPresence } = await api.features();
  const body = fencedPresence ? { status, reason, instanceId } : { status };
  return { method, path, body, repeatable: true, lane: 'presence' };
}

/** What a stored status is worth `now`: nothing resets it when an agent dies. */
function presenceOf(
  { agentId, status, lastSeen }: z.output<typeof agentSchema>['agent'],
  now: number,
): AgentPresence {
  const age = lastSeen === undefined ? 0 : now - Date.parse(lastSeen);
  const online = status !== 'offline' && age <= FRESH_MS;
  const stale = status !== 'offline' && age <= STALE_MS;
  return {
    agentId,
    online,
    status: online ? status : stale ? 'stale' : 'offline',
    ...(lastSeen !== undefined && { lastSeen }),
  };
}
