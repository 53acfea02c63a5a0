import { setImmediate as turn } from 'node:timers/promises';
import type { WireMessage } from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import { z } from 'zod';
import type { Context } from './context.ts';
import { requireAgent, requireParticipant } from './conversations.ts';
import { readPosts } from './history.ts';
import { wireMessage } from './messages.ts';
import { indexForSearch, tokensOf } from './search-index.ts';
import { valid, validAgentId, validLimit } from './validate.ts';

const querySchema = z.string().max(256);
const MAX_WORDS = 10;
/** Of an agent that is in more of them, those with the latest messages are searched. */
const MAX_CONVERSATIONS = 200;
/** How many matches are ranked: the newest. */
const MAX_RANKED = 400;
/** How much of each match is ranked: its beginning. */
const RANKED_BYTES = 2_000;
/** How many numbers one read covers, so that a word of many messages does not hold the event loop. */
const STEP = 50_000;

export interface SearchQuery {
  /** Words that all have to be in a message, at most 256 characters; the first 10 are used. Case and accents do not count. */
  q: string;
  /** Only in this conversation. Without it: in the agent's 200 with the latest messages. */
  conversationId?: string;
  /** Default 50, at most 200. A page of very long messages may hold fewer. */
  limit?: number;
}

export interface Search {
  /**
   * Messages in the agent's own conversations that hold the words, best first: of the newest 400 that match, those where
   * the words stand often and among few others. It indexes first what was sent since the last search; see
   * {@link indexForSearch}. A group message stands here once, as in {@link History.fetchConversations}. Rejects with
   * `E_AUTH_FORBIDDEN` unless `agentId` takes part in `conversationId`.
   */
  searchMessages(agentId: string, query: SearchQuery): Promise<WireMessage[]>;
  /**
   * Indexes what was sent since it ran last, and answers how many messages that were, so that the next search need not.
   * Sending costs nothing for search; a server runs this now and then. In short transactions, with a turn of the event
   * loop after each; ends early when `signal` aborts.
   */
  indexForSearch(options?: { signal?: AbortSignal }): Promise<number>;
}

const CONVERSATIONS = `
  SELECT id FROM conversations WHERE id IN (SELECT conversation FROM participants WHERE agent = ?)
  ORDER BY coalesce(last_message_at, created_at) DESC, id LIMIT ${MAX_CONVERSATIONS}`;
const LAST = "SELECT seq FROM sqlite_sequence WHERE name = 'messages'";
const MATCHES = `
  SELECT rowid AS seq FROM search
  WHERE conversation MATCH $conversations AND content MATCH $words AND rowid > $after AND rowid <= $until
  ORDER BY rowid DESC LIMIT $limit`;

// The ranking of an FTS5 table first counts each word in the whole table. A small table of the matches has few to count.
const MAKE_RANKED = `
  CREATE VIRTUAL TABLE IF NOT EXISTS temp.ranked USING fts5 (content, content = '', tokenize = 'unicode61 remove_diacritics 2')`;
const FILL_RANKED = `
  INSERT INTO temp.ranked (rowid, content)
  SELECT seq, CAST(substr(CAST(content AS BLOB), 1, ${RANKED_BYTES}) AS TEXT)
  FROM posts WHERE seq IN (SELECT value FROM json_each(?))`;
const RANK = 'SELECT rowid AS seq FROM temp.ranked WHERE content MATCH ? ORDER BY rank, rowid DESC';

export function search({ db }: Context): Search {
  return {
    async searchMessages(agentId, { q, conversationId, limit }) {
      validAgentId(agentId);
      const words = wordsOf(q);
      const most = validLimit(limit);
      requireAgent(db, agentId);
      if (conversationId !== undefined) requireParticipant(db, agentId, conversationId);
      await indexForSearch(db);
      const ids = conversationId === undefined ? conversationsOf(db, agentId) : [conversationId];
      if (words === '' || ids.length === 0) return [];
      const matches = await newest(db, ids, words);
      const { rows } = readPosts(db, agentId, ranked(db, matches, words).slice(0, most));
      return rows.map(wireMessage);
    },

    indexForSearch: ({ signal } = {}) => indexForSearch(db, signal),
  };
}

/** Each as an FTS5 string, in which nothing but the quote means anything. */
function wordsOf(q: string): string {
  return valid(querySchema, q, 'q')
    .split(/[\s\p{Cc}]+/u)
    .filter((word) => /[\p{L}\p{N}]/u.test(word))
    .slice(0, MAX_WORDS)
    .map((word) => `"${word.replaceAll('"', '""')}"`)
    .join(' ');
}

function conversationsOf(db: Database, agentId: string): string[] {
  return db
    .sql(CONVERSATIONS)
    .all(agentId)
    .map(({ id }) => id as string);
}

/** The newest posts of the conversations that hold the words, the newest first. */
async function newest(db: Database, conversationIds: readonly string[], words: string): Promise<number[]> {
  const found: number[] = [];
  const conversations = tokensOf(conversationIds);
  let until = db.sql(LAST).get()!.seq as number;
  for (; until > 0 && found.length < MAX_RANKED; until -= STEP) {
    const limit = MAX_RANKED - found.length;
    const rows = db.sql(MATCHES).all({ conversations, words, after: until - STEP, until, limit });
    found.push(...rows.map(({ seq }) => seq as number));
    await turn();
  }
  return found;
}

/** In the order of SQLite's own ranking among these posts; those that match only further on come last. */
function ranked(db: Database, posts: readonly number[], words: string): number[] {
  db.sql(MAKE_RANKED).run();
  db.sql("INSERT INTO temp.ranked (ranked) VALUES ('delete-all')").run();
  db.sql(FILL_RANKED).run(JSON.stringify(posts));
  const best = db.sql(RANK).all(words);
  return [...new Set([...best.map(({ seq }) => seq as number), ...posts])];
}
