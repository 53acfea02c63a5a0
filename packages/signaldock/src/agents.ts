import {
  type AgentPatch,
  agentPatchSchema,
  type NewAgent,
  newAgentSchema,
  type WireAgent,
  WireError,
} from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import type { Context } from './context.ts';
import { agentNotFound, constraint } from './errors.ts';
import { newId, timeOf } from './ids.ts';
import { issueKey } from './keys.ts';
import { FRESH_MS, isFresh, report } from './presence.ts';
import { valid, validAgentId, validExtras, validLimit, validPage } from './validate.ts';

/** Which agents are listed, in which order, and which page of them. */
export interface AgentFilter {
  capability?: string;
  skill?: string;
  class?: string;
  privacyTier?: string;
  /** Leave out private agents, except this one. */
  visibleTo?: string;
  /** As computed now. */
  status?: WireAgent['status'];
  /** A part of the id, the name or the description; case counts outside ASCII only. */
  search?: string;
  /** Default `created`, newest first. */
  sort?: keyof typeof ORDER;
  /** Counts from 1. */
  page?: number;
  /** Default 50, at most 200. */
  limit?: number;
}

/** Who there is. Where an agent is named that does not exist, it rejects with `E_NOT_FOUND_AGENT`. */
export interface Agents {
  /**
   * Registers an agent and answers its key, this once: only the key's SHA-256 is stored. Rejects with
   * `E_CONFLICT_ALREADY_EXISTS`, also for an id that differs from an existing one in case alone.
   */
  registerAgent(agent: NewAgent): Promise<{ agent: WireAgent; apiKey: string }>;
  /** The full record, as its owner may see it. */
  getAgent(agentId: string): Promise<WireAgent>;
  /** Those that fit the filter, one page of them; private ones too, unless `visibleTo` is given. */
  listAgents(filter?: AgentFilter): Promise<WireAgent[]>;
  /** Changes what the patch names; `status` counts as said by the agent now. */
  updateAgent(agentId: string, patch: AgentPatch): Promise<WireAgent>;
  /**
   * Removes an agent, its keys and its place in conversations. What it sent stays with those who got it; what it had
   * not read is given up. An agent registered later under the same id sees nothing of it.
   */
  removeAgent(agentId: string): Promise<void>;
}

/** How many unread messages of a removed agent one transaction gives up. */
const STEP = 500;

const SELECT = `
  SELECT *, (SELECT count(*) FROM participants WHERE agent = agent_id) AS conversation_count FROM agents`;
const FRESH = `(status <> 'offline' AND last_seen >= $freshSince)`;
const LIST = `${SELECT}
  WHERE ($capability IS NULL OR $capability IN (SELECT value FROM json_each(capabilities)))
    AND ($skill IS NULL OR $skill IN (SELECT value FROM json_each(skills)))
    AND ($class IS NULL OR class = $class)
    AND ($privacyTier IS NULL OR privacy_tier = $privacyTier)
    AND ($visibleTo IS NULL OR privacy_tier <> 'private' OR agent_id = $visibleTo)
    AND ($status IS NULL OR CASE WHEN ${FRESH} THEN status ELSE 'offline' END = $status)
    AND ($search IS NULL OR instr(lower(concat_ws(' ', agent_id, name, description)), lower($search)))`;
const ORDER = {
  messages: 'messages_sent + messages_received DESC',
  created: 'created_at DESC',
  last_seen: 'last_seen DESC NULLS LAST',
};
const INSERT = `
  INSERT INTO agents (agent_id, id, name, description, class, privacy_tier, endpoint, capabilities, skills, avatar,
    payment_config, first_seq, created_at, updated_at)
  VALUES ($agent_id, $id, $name, $description, $class, $privacy_tier, $endpoint, $capabilities, $skills, $avatar,
    $payment_config, (SELECT seq FROM sqlite_sequence WHERE name = 'messages'), $now, $now)`;
const UPDATE = `
  UPDATE agents SET name = $name, description = $description, class = $class, privacy_tier = $privacy_tier,
    endpoint = $endpoint, capabilities = $capabilities, skills = $skills, avatar = $avatar,
    payment_config = $payment_config, updated_at = $now
  WHERE agent_id = $agent_id`;
const GIVE_UP_UNREAD = `
  UPDATE messages SET read_at = ? WHERE seq IN
    (SELECT seq FROM messages INDEXED BY messages_unread WHERE to_agent = ? AND read_at IS NULL LIMIT ${STEP})`;

export function agents({ db, now }: Context): Agents {
  return {
    async registerAgent(input) {
      const agent = valid(newAgentSchema, input);
      if (agent.agentId.toLowerCase() === 'all')
        throw constraint('agentId: "all" is taken, @all calls everyone', 'Choose another id.');
      const at = now();
      return db.write(() => {
        refuseTaken(db, agent.agentId);
        db.sql(INSERT).run({ ...columns(agent), id: newId(at), now: at });
        return { apiKey: issueKey(db, agent.agentId, at), agent: wireAgent(find(db, agent.agentId), at) };
      });
    },

    async getAgent(agentId) {
      return wireAgent(find(db, validAgentId(agentId)), now());
    },

    async listAgents(filter = {}) {
      const { capability, skill, class: ofClass, privacyTier, visibleTo, status, search } = filter;
      const limit = validLimit(filter.limit);
      const at = now();
      const rows = db
        .sql(`${LIST} ORDER BY ${ORDER[filter.sort ?? 'created']}, agent_id LIMIT $limit OFFSET $offset`)
        .all({
          capability: capability ?? null,
          skill: skill ?? null,
          class: ofClass ?? null,
          privacyTier: privacyTier ?? null,
          visibleTo: visibleTo ?? null,
          status: status ?? null,
          search: search || null,
          freshSince: at - FRESH_MS,
          limit,
          offset: (validPage(filter.page) - 1) * limit,
        });
      return (rows as unknown as AgentRow[]).map((row) => wireAgent(row, at));
    },

    async updateAgent(agentId, patch) {
      const { status, ...changes } = valid(agentPatchSchema, patch);
      validAgentId(agentId);
      const at = now();
      return db.write(() => {
        db.sql(UPDATE).run({ ...columns({ ...wireAgent(find(db, agentId), at), ...changes }), now: at });
        if (status) report(db, agentId, { status }, at);
        return wireAgent(find(db, agentId), at);
      });
    },

    async removeAgent(agentId) {
      validAgentId(agentId);
      const at = now();
      const step = () => {
        find(db, agentId);
        const more = db.sql(GIVE_UP_UNREAD).run(at, agentId).changes === STEP;
        if (!more) remove(db, agentId);
        return more;
      };
      while (await db.write(step));
    },
  };
}

interface AgentRow {
  agent_id: string;
  id: string;
  name: string;
  description: string | null;
  class: string;
  privacy_tier: WireAgent['privacyTier'];
  endpoint: string | null;
  capabilities: string;
  skills: string;
  avatar: string | null;
  payment_config: string | null;
  messages_sent: number;
  messages_received: number;
  conversation_count: number;
  status: WireAgent['status'];
  last_seen: number | null;
  created_at: number;
  updated_at: number;
}

function find(db: Database, agentId: string): AgentRow {
  const row = db.sql(`${SELECT} WHERE agent_id = ?`).get(agentId);
  if (!row) throw agentNotFound(agentId);
  return row as unknown as AgentRow;
}

function refuseTaken(db: Database, agentId: string): void {
  const taken = db.sql('SELECT agent_id FROM agents WHERE lower(agent_id) = lower(?)').get(agentId);
  if (!taken) return;
  throw new WireError('E_CONFLICT_ALREADY_EXISTS', `Agent already exists: ${taken.agent_id}`, {
    hint: 'Choose another id, or rotate its key when the key is lost.',
    details: { agentId: taken.agent_id },
  });
}

function remove(db: Database, agentId: string): void {
  // The next message to an agent of this id opens a new conversation, which has nothing of this one.
  db.sql(
    `UPDATE conversations SET pair = NULL WHERE id IN (SELECT conversation FROM participants WHERE agent = ?)`,
  ).run(agentId);
  db.sql('DELETE FROM participants WHERE agent = ?').run(agentId);
  db.sql('DELETE FROM agents WHERE agent_id = ?').run(agentId);
}

function columns(agent: Pick<WireAgent, 'agentId' | 'class' | 'privacyTier'> & Partial<WireAgent>) {
  return {
    agent_id: agent.agentId,
    name: agent.name ?? agent.agentId,
    description: agent.description ?? null,
    class: agent.class,
    privacy_tier: agent.privacyTier,
    endpoint: agent.endpoint ?? null,
    capabilities: JSON.stringify(agent.capabilities ?? []),
    skills: JSON.stringify(agent.skills ?? []),
    avatar: agent.avatar ?? null,
    payment_config: agent.paymentConfig ? validExtras('paymentConfig', agent.paymentConfig) : null,
  };
}

function wireAgent(row: AgentRow, now: number): WireAgent {
  return {
    id: row.id,
    agentId: row.agent_id,
    name: row.name,
    ...(row.description !== null && { description: row.description }),
    class: row.class,
    privacyTier: row.privacy_tier,
    ...(row.endpoint !== null && { endpoint: row.endpoint }),
    capabilities: JSON.parse(row.capabilities),
    skills: JSON.parse(row.skills),
    ...(row.avatar !== null && { avatar: row.avatar }),
    stats: {
      messagesSent: row.messages_sent,
      messagesReceived: row.messages_received,
      conversationCount: row.conversation_count,
      friendCount: 0,
    },
    status: isFresh(row, now) ? row.status : 'offline',
    isClaimed: false,
    ...(row.last_seen !== null && { lastSeen: timeOf(row.last_seen) }),
    createdAt: timeOf(row.created_at),
    updatedAt: timeOf(row.updated_at),
    ...(row.payment_config !== null && { paymentConfig: JSON.parse(row.payment_config) }),
  };
}
