import type { WireMessage } from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import type { Context } from './context.ts';
import { requireParticipant } from './conversations.ts';
import { constraint } from './errors.ts';
import { COLUMNS, COMPACT_COLUMNS, type MessageRow, wireMessage } from './messages.ts';
import { type Page, takePage } from './page.ts';
import { idsSchema, valid, validAgentId, validLimit, validSeq } from './validate.ts';

const MAX_CONVERSATIONS = 200;

/** Which part of what was said is asked for. */
export interface HistoryQuery {
  /** Only messages whose `seq` is greater. Without it: the newest `limit` messages. */
  afterSeq?: number;
  /** Default 50, at most 200. A page of very long messages may hold fewer. */
  limit?: number;
}

/** A part of what was said. */
export interface HistoryPage {
  /**
   * Ascending by `seq`, the agent's own messages included. A group message stands here once: as the agent's own copy,
   * or as the first one for its sender and for who joined later.
   */
  messages: WireMessage[];
  /** Give it as `afterSeq` to go on; equal to the one given when nothing is new. */
  cursor: number;
  /** More is waiting behind `cursor`. */
  more: boolean;
}

/** What was said, page by page, in several conversations at once. */
export interface History {
  /**
   * The messages of several conversations in one page. Rejects with `E_AUTH_FORBIDDEN` unless `agentId` takes part in
   * all of them.
   */
  fetchConversations(
    agentId: string,
    conversationIds: readonly string[],
    query?: HistoryQuery,
  ): Promise<HistoryPage>;
}

// Per conversation and merged here: SQLite would sort all that is new in all of them to find the first page.
const AFTER = 'SELECT seq FROM posts WHERE conversation = ? AND seq > ? ORDER BY seq LIMIT ?';
const NEWEST = 'SELECT seq FROM posts WHERE conversation = ? ORDER BY seq DESC LIMIT ?';
const postWith = (columns: string) => `
  SELECT ${columns} FROM posts p JOIN messages m ON m.seq = coalesce(
    (SELECT seq FROM messages WHERE seq >= p.seq AND seq < p.seq + p.copies AND +to_agent = $agent), p.seq)
  WHERE p.seq = $post`;
const POST = postWith(COLUMNS);
const COMPACT_POST = postWith(COMPACT_COLUMNS);

export function history({ db }: Context): History {
  return {
    async fetchConversations(agentId, conversationIds, query = {}) {
      validAgentId(agentId);
      const ids = new Set(valid(idsSchema, conversationIds, 'ids'));
      if (ids.size > MAX_CONVERSATIONS)
        throw constraint(`ids: ${ids.size} conversations are too many, at most ${MAX_CONVERSATIONS}`);
      const limit = validLimit(query.limit);
      const { afterSeq } = query;
      if (afterSeq !== undefined) validSeq(afterSeq);
      for (const id of ids) requireParticipant(db, agentId, id);

      const found = [...ids].flatMap((id) =>
        afterSeq === undefined ? db.sql(NEWEST).all(id, limit) : db.sql(AFTER).all(id, afterSeq, limit + 1),
      );
      const posts = found.map((row) => row.seq as number).sort((a, b) => a - b);
      const wanted = afterSeq === undefined ? posts.slice(-limit) : posts.slice(0, limit);
      const { rows, cut } = readPosts(db, agentId, wanted);
      return {
        messages: rows.map(wireMessage),
        cursor: rows.at(-1)?.seq ?? afterSeq ?? 0,
        more: cut || (afterSeq !== undefined && posts.length > limit),
      };
    },
  };
}

/** The posts as the agent sees them, in this order; with `compact`, no more of the content than a beginning needs. */
export function readPosts(db: Database, agentId: string, posts: readonly number[], compact = false): Page {
  const read = function* () {
    for (const post of posts) {
      const row = db.sql(compact ? COMPACT_POST : POST).get({ post, agent: agentId });
      // Undefined when the retention of another process has just taken it.
      if (row) yield row as unknown as MessageRow;
    }
  };
  return takePage(read());
}
