import type { IncomingHttpHeaders } from 'node:http';
import { agentIdSchema, Secret, WireError } from '@cleocode/contracts';

/** Who a request says it comes from, before that is proven. */
export interface Claim {
  agentId: string;
  apiKey: Secret;
}

const BEARER = /^bearer +([\x21-\x7e]{1,512})$/i;

/** What `Authorization` and `X-Agent-Id` claim. Both are needed; nothing of them is ever repeated in an error. */
export function claimOf(headers: IncomingHttpHeaders): Claim {
  const key = BEARER.exec(headers.authorization ?? '')?.[1];
  return claim(headers['x-agent-id'], key);
}

/** For what cannot set headers, such as the `EventSource` of a browser: `?token=…&agent_id=…`. */
export function claimOfQuery(query: unknown): Claim {
  const { token, agent_id } = query as Record<string, unknown>;
  return claim(agent_id, token);
}

function claim(agentId: unknown, key: unknown): Claim {
  const id = agentIdSchema.safeParse(agentId);
  if (!id.success || typeof key !== 'string' || key === '')
    throw new WireError('E_AUTH_UNAUTHORIZED', 'Authentication required', {
      hint: 'Send the headers Authorization: Bearer <key> and X-Agent-Id: <agent id>.',
    });
  return { agentId: id.data, apiKey: new Secret(key) };
}
