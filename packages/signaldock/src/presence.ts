import { type AgentPresence, type PresenceReport, presenceReportSchema } from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import type { Context } from './context.ts';
import { agentNotFound } from './errors.ts';
import { timeOf } from './ids.ts';
import { valid, validAgentId } from './validate.ts';

/** Three heartbeats of 30 s: the agent is online. */
export const FRESH_MS = 90_000;
/** Twice that: it is stale; after that it is offline. */
export const STALE_MS = 180_000;

/** Who is there, by what agents said last and when. */
export interface Presence {
  /** The agent is there: sets its last-seen time and, unless the report says otherwise, `online`. */
  heartbeat(agentId: string, report?: Partial<PresenceReport>): Promise<void>;
  /**
   * Sets the status. An `offline` that names another `instanceId` than the last one seen is ignored: it is the late word
   * of a process that has a successor.
   */
  setStatus(agentId: string, report: PresenceReport): Promise<void>;
  /** Computed now: nothing has to run for an agent to become `stale` (after 90 s) and `offline` (after 180 s). */
  presence(agentId: string): Promise<AgentPresence>;
  /** Agents that are online or busy, last seen first; with `visibleTo`, without private ones except that one. */
  listOnline(visibleTo?: string): Promise<AgentPresence[]>;
}

interface PresenceRow {
  agent_id: string;
  status: PresenceReport['status'];
  last_seen: number | null;
}

const SELECT = 'SELECT agent_id, status, last_seen FROM agents';
const ONLINE = `
  ${SELECT} WHERE status <> 'offline' AND last_seen >= $freshSince
    AND ($visibleTo IS NULL OR privacy_tier <> 'private' OR agent_id = $visibleTo)
  ORDER BY last_seen DESC`;

export function presence({ db, now }: Context): Presence {
  const write = async (agentId: string, input: PresenceReport) => {
    validAgentId(agentId);
    const given = valid(presenceReportSchema, input);
    const at = now();
    await db.write(() => report(db, agentId, given, at));
  };
  return {
    heartbeat: (agentId, given = {}) => write(agentId, { status: 'online', ...given }),
    setStatus: write,

    async presence(agentId) {
      const row = db.sql(`${SELECT} WHERE agent_id = ?`).get(validAgentId(agentId));
      if (!row) throw agentNotFound(agentId);
      return agentPresence(row as unknown as PresenceRow, now());
    },

    async listOnline(visibleTo) {
      const at = now();
      const rows = db.sql(ONLINE).all({ freshSince: at - FRESH_MS, visibleTo: visibleTo ?? null });
      return (rows as unknown as PresenceRow[]).map((row) => agentPresence(row, at));
    },
  };
}

/** Stores a report, inside a write. */
export function report(
  db: Database,
  agentId: string,
  { status, instanceId }: PresenceReport,
  now: number,
): void {
  const row = db.sql('SELECT instance_id FROM agents WHERE agent_id = ?').get(agentId);
  if (!row) throw agentNotFound(agentId);
  const last = row.instance_id as string | null;
  if (status === 'offline' && instanceId && last && last !== instanceId) return;
  db.sql(
    'UPDATE agents SET status = ?, last_seen = ?, instance_id = coalesce(?, instance_id) WHERE agent_id = ?',
  ).run(status, now, instanceId ?? null, agentId);
}

export function isFresh(row: Pick<PresenceRow, 'status' | 'last_seen'>, now: number): boolean {
  return row.status !== 'offline' && row.last_seen !== null && now - row.last_seen <= FRESH_MS;
}

function agentPresence(row: PresenceRow, now: number): AgentPresence {
  const online = isFresh(row, now);
  const stale = row.status !== 'offline' && row.last_seen !== null && now - row.last_seen <= STALE_MS;
  return {
    agentId: row.agent_id,
    online,
    status: online ? row.status : stale ? 'stale' : 'offline',
    ...(row.last_seen !== null && { lastSeen: timeOf(row.last_seen) }),
  };
}
