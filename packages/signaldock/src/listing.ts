import { setImmediate as turn } from 'node:timers/promises';
import type { WireMessage } from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import type { Context } from './context.ts';
import { findFor } from './conversations.ts';
import { constraint } from './errors.ts';
import { readPosts } from './history.ts';
import { beginningOf, MENTIONED, wireMessage } from './messages.ts';
import { validAgentId, validLimit, validPage, validSeq, validTime } from './validate.ts';

/** How many messages one read looks at, so that the search for few among many does not hold the event loop. */
const STEP = 200;
const MAX_LOOKED_AT = 100_000;
/** A message may have been created this much earlier than one before it: it waited longer for the lock. */
const DISORDER_MS = 60_000;

/** Which messages of a conversation are listed, and how. */
export interface MessageListQuery {
  /** By `seq`; default `asc`. */
  sort?: 'asc' | 'desc';
  /** Counts from 1; 0 is the first too. */
  page?: number;
  /** Default 50, at most 200. */
  limit?: number;
  /**
   * Only messages whose `seq` is greater: exclusive, exact and ascending, whatever `sort` says. Such a page may end early
   * where messages are very long; it is empty only when nothing is left.
   */
  afterSeq?: number;
  /** An RFC 3339 time: only from the first message on that was created later. Prefer `afterSeq`. */
  after?: string;
  /** Only messages that mention this agent, or everyone. */
  mentioned?: string;
  /** The content is cut to 200 characters. */
  compact?: boolean;
}

/** What was said in one conversation, by pages that may be counted. */
export interface Listing {
  /**
   * The messages of one conversation, a group message once, as in {@link HistoryPage}. Rejects with `E_AUTH_FORBIDDEN`
   * unless `agentId` takes part in it, and with `E_VALIDATION_CONSTRAINT` rather than leave a message out: when a page
   * counted by number is longer than 8 Mi characters, and when 100,000 messages do not have the mentions asked for.
   */
  listMessages(agentId: string, conversationId: string, query?: MessageListQuery): Promise<WireMessage[]>;
}

interface Range {
  conversation: string;
  above: number;
  below: number;
}

interface Found {
  seq: number;
}

const RANGE = 'p.conversation = $conversation AND p.seq > $above AND p.seq < $below ORDER BY p.seq';
const NUMBERS = `SELECT p.seq FROM posts p WHERE ${RANGE}`;
const ANY = {
  asc: `${NUMBERS} LIMIT $limit OFFSET $offset`,
  desc: `${NUMBERS} DESC LIMIT $limit OFFSET $offset`,
};
const STEPS = `SELECT p.seq, ${MENTIONED} AS mentioned FROM posts p WHERE ${RANGE}`;
const NEXT = { asc: `${STEPS} LIMIT ${STEP}`, desc: `${STEPS} DESC LIMIT ${STEP}` };
const LAST = 'SELECT max(seq) AS seq FROM posts WHERE conversation = ?';
const FOLLOWING = 'SELECT seq, created_at FROM posts WHERE conversation = ? AND seq > ? ORDER BY seq LIMIT 1';
const FIRST_AFTER =
  'SELECT seq FROM posts WHERE conversation = ? AND seq > ? AND created_at > ? ORDER BY seq LIMIT 1';

export function listing({ db }: Context): Listing {
  return {
    async listMessages(agentId, conversationId, query = {}) {
      validAgentId(agentId);
      const limit = validLimit(query.limit);
      const page = validPage(query.page);
      const { afterSeq, compact = false } = query;
      let above = validSeq(afterSeq ?? 0);
      const after = validTime(query.after, 'after');
      const { message_count } = findFor(db, agentId, conversationId);
      const offset = (page - 1) * limit;
      if (offset >= message_count) return [];
      if (after !== null) above = Math.max(above, lastUntil(db, conversationId, after));

      const range = { conversation: conversationId, above, below: Number.MAX_SAFE_INTEGER };
      const sort = afterSeq === undefined ? (query.sort ?? 'asc') : 'asc';
      // Where the next page begins at a number, this one must not end before it.
      const exact = afterSeq === undefined || page > 1;
      const found =
        query.mentioned === undefined
          ? (db.sql(ANY[sort]).all({ ...range, limit, offset }) as unknown as Found[])
          : (await mentioning(db, query.mentioned, range, sort, offset + limit, exact)).slice(offset);
      const posts = found.map(({ seq }) => seq);
      const { rows, cut } = readPosts(db, agentId, posts, compact);
      if (cut && exact)
        throw constraint(
          `limit: ${posts.length} of these messages are too long for one page`,
          'Ask for fewer, for compact ones, or page by afterSeq.',
        );
      const messages = rows.map(wireMessage);
      return compact
        ? messages.map((message) => ({ ...message, content: beginningOf(message.content) }))
        : messages;
    },
  };
}

/** The first `count` posts of the range with the mention: all of them, or, unless `exact`, as many as were found in time. */
async function mentioning(
  db: Database,
  agentId: string,
  { ...rest }: Range,
  sort: 'asc' | 'desc',
  count: number,
  exact: boolean,
): Promise<Found[]> {
  const mentioned = agentId.toLowerCase();
  const found: Found[] = [];
  for (let lookedAt = STEP; ; lookedAt += STEP) {
    const rows = db.sql(NEXT[sort]).all({ ...rest, mentioned }) as unknown as (Found & {
      mentioned: number;
    })[];
    found.push(...rows.filter((row) => row.mentioned));
    if (found.length >= count || rows.length < STEP) return found.slice(0, count);
    const { seq } = rows.at(-1)!;
    if (lookedAt >= MAX_LOOKED_AT) {
      if (found.length > 0 && !exact) return found;
      throw constraint(
        `mentioned: ${found.length} of ${count} messages found among ${lookedAt}, up to seq ${seq}`,
        'Page by afterSeq; where nothing is found, go on after that seq.',
      );
    }
    if (sort === 'asc') rest.above = seq;
    else rest.below = seq;
    await turn();
  }
}

/** The seq before the first post created after `time`. */
function lastUntil(db: Database, conversation: string, time: number): number {
  const last = (db.sql(LAST).get(conversation)!.seq as number | null) ?? 0;
  // Times grow with the numbers, so halving leads close to it; from there on each post is looked at.
  let low = 0;
  for (let high = last; low < high; ) {
    const middle = Math.floor((low + high) / 2);
    const next = db.sql(FOLLOWING).get(conversation, middle) as
      | { seq: number; created_at: number }
      | undefined;
    if (next && next.created_at <= time - DISORDER_MS) low = next.seq;
    else high = middle;
  }
  const first = db.sql(FIRST_AFTER).get(conversation, low, time);
  return first ? (first.seq as number) - 1 : last;
}
