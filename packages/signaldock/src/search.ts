import type { WireMessage } from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import { z } from 'zod';
import type { Context } from './context.ts';
import { requireAgent, requireParticipant } from './conversations.ts';
import { readPosts } from './history.ts';
import { wireMessage } from './messages.ts';
import { anyOf, indexForSearch, textOf } from './search-index.ts';
import { valid, validAgentId, validLimit } from './validate.ts';

const querySchema = z.string().max(256);
const MAX_WORDS = 10;
const MAX_CONVERSATIONS = 200;
const MAX_MATCHES = 200;
/** How much of a match counts for its rank: its beginning. */
const RANKED_BYTES = 2_000;

/** What is looked for, and where. */
export interface SearchQuery {
  /**
   * At most 256 characters. Its first 10 words all have to stand in a message, in any order, as whole words; case and
   * accents do not count. A word with punctuation inside, such as `co-op`, is looked for as a phrase.
   */
  q: string;
  /** Only in this conversation. Without it: in those 200 of the agent that have the latest messages. */
  conversationId?: string;
  /** Default 50, at most 200. A page of very long messages may hold fewer. */
  limit?: number;
}

/** Finds messages by their words. */
export interface Search {
  /**
   * Messages of the agent's own conversations that hold the words in their first 64 KiB. Of the newest 200, those first
   * where the words are frequent; of equals, the newest. A group message stands here once, as in {@link HistoryPage}.
   * What was sent since the last search is indexed first. Rejects with `E_AUTH_FORBIDDEN` unless `agentId` takes part in
   * the conversation that `query` names.
   */
  searchMessages(agentId: string, query: SearchQuery): Promise<WireMessage[]>;
  /**
   * Indexes what was sent since it was last done, and answers how many messages that were. No send does it, so a search
   * has to wait for it; a server calls this now and then to spare its searches that. In short transactions, with a turn
   * of the event loop after each. When `signal` aborts it ends early, without rejecting.
   */
  indexForSearch(options?: { signal?: AbortSignal }): Promise<number>;
}

const LATEST_CONVERSATIONS = `
  SELECT id FROM conversations WHERE id IN (SELECT conversation FROM participants WHERE agent = ?)
  ORDER BY coalesce(last_message_at, created_at) DESC, id LIMIT ${MAX_CONVERSATIONS}`;
// The conversations inside the query, so that it skips what others wrote instead of reading and refusing it.
const MATCHES = `
  SELECT rowid AS seq FROM search WHERE conversation MATCH ? AND content MATCH ?
  ORDER BY rowid DESC LIMIT ${MAX_MATCHES}`;
// To rank, FTS5 counts each word in the whole table. So the matches are ranked in a small table of their own.
const MAKE_MATCHES = `
  CREATE VIRTUAL TABLE IF NOT EXISTS temp.matches
  USING fts5 (content, content = '', tokenize = 'unicode61 remove_diacritics 2')`;
const CLEAR_MATCHES = "INSERT INTO temp.matches (matches) VALUES ('delete-all')";
const FILL_MATCHES = `
  INSERT INTO temp.matches (rowid, content)
  SELECT seq, ${textOf(RANKED_BYTES)} FROM posts WHERE seq IN (SELECT value FROM json_each(?))`;
const RANK = 'SELECT rowid AS seq FROM temp.matches WHERE content MATCH ? ORDER BY rank, rowid DESC';

export function search({ db }: Context): Search {
  return {
    async searchMessages(agentId, query) {
      const words = wordsIn(query.q);
      const limit = validLimit(query.limit);
      requireAgent(db, validAgentId(agentId));
      const { conversationId } = query;
      if (conversationId !== undefined) requireParticipant(db, agentId, conversationId);
      if (words === '') return [];

      await indexForSearch(db);
      const conversations = conversationId === undefined ? latestOf(db, agentId) : [conversationId];
      if (conversations.length === 0) return [];
      const posts = seqs(db.sql(MATCHES).all(anyOf(conversations), words));
      const { rows } = readPosts(db, agentId, ranked(db, posts, words).slice(0, limit));
      return rows.map(wireMessage);
    },

    indexForSearch: ({ signal } = {}) => indexForSearch(db, signal),
  };
}

/** Each word as an FTS5 string, in which only the quote has a meaning; empty when there is none. */
function wordsIn(q: string): string {
  return valid(querySchema, q, 'q')
    .split(/[\s\p{Cc}]+/u)
    .filter((word) => /[\p{L}\p{N}]/u.test(word))
    .slice(0, MAX_WORDS)
    .map((word) => `"${word.replaceAll('"', '""')}"`)
    .join(' ');
}

function latestOf(db: Database, agentId: string): string[] {
  return db
    .sql(LATEST_CONVERSATIONS)
    .all(agentId)
    .map(({ id }) => id as string);
}

/** Best first; those that hold the words only further on, last. */
function ranked(db: Database, posts: readonly number[], words: string): number[] {
  db.sql(MAKE_MATCHES).run();
  db.sql(CLEAR_MATCHES).run();
  db.sql(FILL_MATCHES).run(JSON.stringify(posts));
  return [...new Set([...seqs(db.sql(RANK).all(words)), ...posts])];
}

function seqs(rows: Record<string, unknown>[]): number[] {
  return rows.map(({ seq }) => seq as number);
}
