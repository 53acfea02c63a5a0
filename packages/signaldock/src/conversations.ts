import { type NewConversation, newConversationSchema, type WireConversation } from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import type { Context } from './context.ts';
import { agentNotFound, constraint, conversationNotFound, notParticipant } from './errors.ts';
import { newId, timeOf } from './ids.ts';
import { valid, validAgentId, validLimit, validPage } from './validate.ts';

/** A send stores one row for each of them, in one transaction. */
const MAX_PARTICIPANTS = 256;

/** Who talks with whom. */
export interface Conversations {
  /**
   * Opens a conversation of `agentId` and the given participants. A private one of two is the one {@link send} finds:
   * asked for again, the same is answered.
   */
  createConversation(agentId: string, conversation: NewConversation): Promise<WireConversation>;
  /** Adds to a group; who is in it already stays. A private conversation of two cannot grow. */
  addParticipants(agentId: string, conversationId: string, participants: string[]): Promise<WireConversation>;
  /** Rejects with `E_AUTH_FORBIDDEN` unless `agentId` takes part. */
  getConversation(agentId: string, conversationId: string): Promise<WireConversation>;
  /** Those `agentId` takes part in, latest message first; 50 a page unless told otherwise, at most 200. */
  listConversations(agentId: string, query?: { page?: number; limit?: number }): Promise<WireConversation[]>;
}

export interface ConversationRow {
  id: string;
  pair: string | null;
  visibility: WireConversation['visibility'];
  message_count: number;
  last_message_at: number | null;
  created_at: number;
  updated_at: number;
  participants: string;
}

const SELECT = `
  SELECT *, (SELECT json_group_array(agent ORDER BY agent) FROM participants WHERE conversation = id) AS participants
  FROM conversations`;
const LIST = `
  ${SELECT} WHERE id IN (SELECT conversation FROM participants WHERE agent = ?)
  ORDER BY coalesce(last_message_at, created_at) DESC, id LIMIT ? OFFSET ?`;

export function conversations({ db, now }: Context): Conversations {
  return {
    async createConversation(agentId, input) {
      const { participants, visibility } = valid(newConversationSchema, input);
      const members = [...new Set([validAgentId(agentId), ...participants])].sort();
      if (members.length < 2) throw constraint('participants: a conversation needs someone else');
      checkSize(members.length);
      const at = now();
      return db.write(() => {
        for (const member of members) requireAgent(db, member);
        const pair =
          visibility === 'private' && members.length === 2 ? pairOf(members[0]!, members[1]!) : null;
        const existing = pair && db.sql('SELECT id FROM conversations WHERE pair = ?').get(pair);
        const id = existing ? (existing.id as string) : open(db, members, at, pair, visibility);
        return wireConversation(find(db, id));
      });
    },

    async addParticipants(agentId, conversationId, participants) {
      for (const participant of participants) validAgentId(participant, 'participants');
      const at = now();
      return db.write(() => {
        const { pair, participants: present } = findFor(db, agentId, conversationId);
        if (pair)
          throw constraint(
            `conversation ${conversationId} is private to two agents`,
            'Create a conversation of all of them.',
          );
        checkSize(new Set([...JSON.parse(present), ...participants]).size);
        for (const participant of participants) {
          requireAgent(db, participant);
          join(db, conversationId, participant);
        }
        db.sql('UPDATE conversations SET updated_at = ? WHERE id = ?').run(at, conversationId);
        return wireConversation(find(db, conversationId));
      });
    },

    async getConversation(agentId, conversationId) {
      return wireConversation(findFor(db, agentId, conversationId));
    },

    async listConversations(agentId, query = {}) {
      const limit = validLimit(query.limit);
      const rows = db.sql(LIST).all(validAgentId(agentId), limit, (validPage(query.page) - 1) * limit);
      return (rows as unknown as ConversationRow[]).map(wireConversation);
    },
  };
}

/** Names the private conversation of two agents; no agent id has a space. */
export function pairOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

/** Stores a new conversation, inside a write. */
export function open(
  db: Database,
  members: readonly string[],
  now: number,
  pair: string | null,
  visibility: WireConversation['visibility'] = 'private',
): string {
  const id = newId(now);
  db.sql(
    'INSERT INTO conversations (id, pair, visibility, created_at, updated_at) VALUES (?, ?, ?, ?, ?)',
  ).run(id, pair, visibility, now, now);
  for (const member of members) join(db, id, member);
  return id;
}

/** The conversation, if `agentId` takes part in it. */
export function findFor(db: Database, agentId: string, conversationId: string): ConversationRow {
  requireParticipant(db, agentId, conversationId);
  return find(db, conversationId);
}

export function requireParticipant(db: Database, agentId: string, conversationId: string): void {
  const participant = db.sql('SELECT 1 FROM participants WHERE conversation = ? AND agent = ?');
  if (participant.get(conversationId, agentId)) return;
  find(db, conversationId);
  throw notParticipant(agentId, conversationId);
}

export function requireAgent(db: Database, agentId: string): void {
  if (!db.sql('SELECT 1 FROM agents WHERE agent_id = ?').get(agentId)) throw agentNotFound(agentId);
}

function find(db: Database, conversationId: string): ConversationRow {
  const row = db.sql(`${SELECT} WHERE id = ?`).get(conversationId);
  if (!row) throw conversationNotFound(conversationId);
  return row as unknown as ConversationRow;
}

function join(db: Database, conversationId: string, agentId: string): void {
  db.sql('INSERT OR IGNORE INTO participants (conversation, agent) VALUES (?, ?)').run(
    conversationId,
    agentId,
  );
}

function checkSize(members: number): void {
  if (members > MAX_PARTICIPANTS)
    throw constraint(`participants: ${members} are too many, at most ${MAX_PARTICIPANTS}`);
}

function wireConversation(row: ConversationRow): WireConversation {
  return {
    id: row.id,
    participants: JSON.parse(row.participants),
    visibility: row.visibility,
    messageCount: row.message_count,
    ...(row.last_message_at !== null && { lastMessageAt: timeOf(row.last_message_at) }),
    createdAt: timeOf(row.created_at),
    updatedAt: timeOf(row.updated_at),
  };
}
