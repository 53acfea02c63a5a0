import type { WireMessage } from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import type { Context } from './context.ts';
import { requireAgent } from './conversations.ts';
import { timeOf } from './ids.ts';
import { COLUMNS, MENTIONED, type MessageRow, wireMessage } from './messages.ts';
import { readPage } from './page.ts';
import { idsSchema, timeIn, valid, validAgentId, validLimit, validSeq, validTime } from './validate.ts';

/** How many acks share one transaction. */
const ACK_STEP = 500;

/** Which of the messages to an agent are asked for. */
export interface PollQuery {
  /** Only messages whose `seq` is greater: exclusive and exact. Prefer it to the cursors below. */
  afterSeq?: number;
  /** A message id (only what came after it; an unknown one means from the beginning) or an RFC 3339 time. */
  since?: string;
  /** An RFC 3339 time: only what was created later. */
  after?: string;
  /** Only messages that mention this agent, or everyone. */
  mentioned?: string;
  /** Default 50, at most 200. A page of very long messages may hold fewer; it is empty only when nothing is left. */
  limit?: number;
}

/** A conversation with unread messages. */
export interface UnreadSummary {
  conversationId: string;
  unread: number;
  /** RFC 3339: the latest unread message. */
  lastAt: string;
}

/** What an agent has not read yet. */
export interface Inbox {
  /** Unread messages to the agent, oldest first. Changes nothing: what is not acked comes again. */
  peek(agentId: string, query?: PollQuery): Promise<WireMessage[]>;
  /**
   * Pending messages to the agent, oldest first; they become `delivered` and do not come again. With a cursor: whatever
   * came after it, in any status. For old clients: a client that crashes after this call has lost them, so prefer
   * {@link peek} and {@link ack}.
   */
  pollNew(agentId: string, query?: PollQuery): Promise<WireMessage[]>;
  /** Marks messages as read and answers which it marked: those addressed to the agent and unread until now. */
  ack(agentId: string, messageIds: readonly string[]): Promise<{ acked: number; ids: string[] }>;
  /** Per conversation with unread messages, the latest first. */
  unreadSummary(agentId: string): Promise<UnreadSummary[]>;
}

// By name: without statistics the planner may take the index of all messages, read ones included.
const UNREAD_INDEX = 'INDEXED BY messages_unread';
const from = (index: string) =>
  `SELECT ${COLUMNS} FROM messages m ${index} JOIN posts p ON p.seq = m.post WHERE m.to_agent = $agent`;
const PAGE = `
  AND m.seq > $afterSeq AND ($after IS NULL OR p.created_at > $after)
  AND ($mentioned IS NULL OR ${MENTIONED})
  ORDER BY m.seq LIMIT $limit`;
const UNREAD = `${from(UNREAD_INDEX)} AND m.read_at IS NULL ${PAGE}`;
const PENDING = `${from(UNREAD_INDEX)} AND m.read_at IS NULL AND m.delivered_at IS NULL ${PAGE}`;
const ANY = `${from('')} AND m.seq > (SELECT first_seq FROM agents WHERE agent_id = $agent) ${PAGE}`;
const DELIVERED = 'UPDATE messages SET delivered_at = ? WHERE seq = ?';
const READ = `
  UPDATE messages SET read_at = :at, delivered_at = coalesce(delivered_at, :at)
  WHERE id = :id AND to_agent = :agent AND read_at IS NULL`;
const SUMMARY = `
  SELECT p.conversation, count(*) AS unread, max(p.created_at) AS last_at
  FROM messages m ${UNREAD_INDEX} JOIN posts p ON p.seq = m.post
  WHERE m.to_agent = ? AND m.read_at IS NULL
  GROUP BY p.conversation ORDER BY last_at DESC, p.conversation`;

export function inbox({ db, now }: Context): Inbox {
  return {
    async peek(agentId, query = {}) {
      return select(db, UNREAD, parameters(db, agentId, query)).map(wireMessage);
    },

    async pollNew(agentId, query = {}) {
      const hasCursor =
        query.afterSeq !== undefined || query.since !== undefined || query.after !== undefined;
      const sql = hasCursor ? ANY : PENDING;
      const given = parameters(db, agentId, query);
      // An empty poll must not cost a transaction.
      if (select(db, sql, given).length === 0) return [];
      const at = now();
      const rows = await db.write(() => {
        const page = select(db, sql, given);
        for (const row of page) {
          if (row.delivered_at !== null || row.read_at !== null) continue;
          db.sql(DELIVERED).run(at, row.seq);
          row.delivered_at = at;
        }
        return page;
      });
      return rows.map(wireMessage);
    },

    async ack(agentId, messageIds) {
      validAgentId(agentId);
      valid(idsSchema, messageIds, 'messageIds');
      const at = now();
      const ids: string[] = [];
      for (let from = 0; from < messageIds.length; from += ACK_STEP) {
        const step = messageIds.slice(from, from + ACK_STEP);
        ids.push(
          ...(await db.write(() =>
            step.filter((id) => db.sql(READ).run({ at, id, agent: agentId }).changes === 1),
          )),
        );
      }
      return { acked: ids.length, ids };
    },

    async unreadSummary(agentId) {
      const rows = db.sql(SUMMARY).all(validAgentId(agentId));
      return (rows as unknown as { conversation: string; unread: number; last_at: number }[]).map((row) => ({
        conversationId: row.conversation,
        unread: row.unread,
        lastAt: timeOf(row.last_at),
      }));
    },
  };
}

type Parameters = Record<string, string | number | null> & { agent: string };

function select(db: Database, sql: string, given: Parameters): MessageRow[] {
  const { rows } = readPage(db, sql, given);
  // "Nothing new" and "no such agent" must not look the same to an agent that waits.
  if (rows.length === 0) requireAgent(db, given.agent);
  return rows;
}

function parameters(db: Database, agentId: string, query: PollQuery): Parameters {
  // What is not a time is a message id.
  const sinceTime = query.since === undefined ? null : timeIn(query.since);
  const after = validTime(query.after, 'after');
  const since = query.since !== undefined && sinceTime === null ? seqOf(db, query.since) : 0;
  const times = [sinceTime, after].filter((time) => time !== null);
  return {
    agent: validAgentId(agentId),
    afterSeq: Math.max(validSeq(query.afterSeq ?? 0), since),
    after: times.length > 0 ? Math.max(...times) : null,
    mentioned: query.mentioned?.toLowerCase() ?? null,
    limit: validLimit(query.limit),
  };
}

function seqOf(db: Database, messageId: string): number {
  return (db.sql('SELECT seq FROM messages WHERE id = ?').get(messageId)?.seq as number | undefined) ?? 0;
}
