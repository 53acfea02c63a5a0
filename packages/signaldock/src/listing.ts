import { setImmediate as turn } from 'node:timers/promises';
import type { WireMessage } from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import type { Context } from './context.ts';
import { findFor } from './conversations.ts';
import { constraint } from './errors.ts';
import { readPosts } from './history.ts';
import { MENTIONED, wireMessage } from './messages.ts';
import { validAgentId, validLimit, validPage, validSeq, validTime } from './validate.ts';

/** How many messages one read looks at, so that a search for few among many does not hold the event loop. */
const STEP = 200;
const MAX_LOOKED_AT = 100_000;
/** How much earlier than one before it a message may say it was created. */
const SLACK_MS = 60_000;

export interface MessageListQuery {
  /** By `seq`; default `asc`. */
  sort?: 'asc' | 'desc';
  /** Counts from 1, and 0 is the first too. */
  page?: number;
  /** Default 50, at most 200. */
  limit?: number;
  /**
   * Only messages whose `seq` is greater: exclusive, exact and ascending, whatever `sort` says. The page may then end
   * early where messages are very long; it is empty only when nothing is left.
   */
  afterSeq?: number;
  /** An RFC 3339 time: only what was created later. Prefer `afterSeq`: times are neither unique nor quite in order. */
  after?: string;
  /** Only messages that mention this agent, or everyone. */
  mentioned?: string;
  /** The content is cut to 200 characters. */
  compact?: boolean;
}

export interface Listing {
  /**
   * The messages of one conversation, a group message once, as in {@link HistoryPage}. Rejects with `E_AUTH_FORBIDDEN`
   * unless `agentId` takes part in it. Rather than leave messages out it rejects with `E_VALIDATION_CONSTRAINT`: when a
   * page counted by number holds more than 8 Mi characters, and when fewer than asked for are found among 100,000.
   */
  listMessages(agentId: string, conversationId: string, query?: MessageListQuery): Promise<WireMessage[]>;
}

const BETWEEN = 'WHERE p.conversation = $conversation AND p.seq > $above AND p.seq < $below ORDER BY p.seq';
const NUMBERS = {
  asc: `SELECT p.seq FROM posts p ${BETWEEN} LIMIT $limit OFFSET $offset`,
  desc: `SELECT p.seq FROM posts p ${BETWEEN} DESC LIMIT $limit OFFSET $offset`,
};
const LOOK = `
  SELECT p.seq, ($after IS NULL OR p.created_at > $after) AND ($mentioned IS NULL OR ${MENTIONED}) AS wanted
  FROM posts p`;
const STEPS = {
  asc: `${LOOK} ${BETWEEN} LIMIT ${STEP}`,
  desc: `${LOOK} ${BETWEEN} DESC LIMIT ${STEP}`,
};
const NEXT = 'SELECT seq, created_at FROM posts WHERE conversation = ? AND seq > ? ORDER BY seq LIMIT 1';

export function listing({ db }: Context): Listing {
  return {
    async listMessages(agentId, conversationId, query = {}) {
      validAgentId(agentId);
      const limit = validLimit(query.limit);
      const page = validPage(query.page);
      const { afterSeq } = query;
      const above = validSeq(afterSeq ?? 0);
      const after = validTime(query.after, 'after');
      const mentioned = query.mentioned?.toLowerCase() ?? null;
      const { message_count: stored } = findFor(db, agentId, conversationId);
      const offset = (page - 1) * limit;
      if (offset >= stored) return [];

      // Where the next page begins at a number, this one must not end before it.
      const numbered = afterSeq === undefined || page > 1;
      const sort = afterSeq === undefined ? (query.sort ?? 'asc') : 'asc';
      const range = { conversation: conversationId, above, below: Number.MAX_SAFE_INTEGER };
      const posts =
        after === null && mentioned === null
          ? (db.sql(NUMBERS[sort]).all({ ...range, limit, offset }) as { seq: number }[])
          : (await look(db, { ...range, after, mentioned }, sort, offset + limit, numbered)).slice(offset);
      const { rows, cut } = readPosts(
        db,
        agentId,
        posts.map(({ seq }) => seq),
        query.compact,
      );
      if (cut && numbered)
        throw constraint(
          `limit: ${posts.length} messages are too long for one page`,
          'Ask for fewer, for compact ones, or page by afterSeq.',
        );
      return rows.map(wireMessage);
    },
  };
}

interface Wanted {
  conversation: string;
  above: number;
  below: number;
  after: number | null;
  mentioned: string | null;
}

/** The first `count` posts that are wanted; fewer where there are no more, or where `exact` is false and it takes too long. */
async function look(
  db: Database,
  { ...from }: Wanted,
  sort: 'asc' | 'desc',
  count: number,
  exact: boolean,
): Promise<{ seq: number }[]> {
  if (from.after !== null) from.above = Math.max(from.above, lastBefore(db, from, from.after - SLACK_MS));
  const found: { seq: number }[] = [];
  for (let lookedAt = STEP; ; lookedAt += STEP) {
    const rows = db.sql(STEPS[sort]).all({ ...from }) as { seq: number; wanted: number }[];
    found.push(...rows.filter(({ wanted }) => wanted));
    if (found.length >= count || rows.length < STEP) return found.slice(0, count);
    const { seq } = rows.at(-1)!;
    if (lookedAt >= MAX_LOOKED_AT) {
      if (found.length > 0 && !exact) return found;
      throw constraint(
        `${found.length} of ${count} messages found among ${lookedAt}, the last of them seq ${seq}`,
        'Page by afterSeq; where none is found, go on after that seq.',
      );
    }
    if (sort === 'asc') from.above = seq;
    else from.below = seq;
    await turn();
  }
}

/** A seq that no post created after `time` comes before: found by halving, since times grow with the numbers. */
function lastBefore(db: Database, { conversation, above }: Wanted, time: number): number {
  let low = above;
  let high = db.sql("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").get()!.seq as number;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const next = db.sql(NEXT).get(conversation, middle) as { seq: number; created_at: number } | undefined;
    if (next && next.created_at <= time) low = next.seq;
    else high = middle;
  }
  return low;
}
