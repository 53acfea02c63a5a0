import { setImmediate as turn } from 'node:timers/promises';
import type { Database } from '@cleocode/sqlite';

/** How much one transaction indexes: this many posts, or so many bytes and the rest of the last post. */
const STEP = 200;
const STEP_BYTES = 128 * 1024;
/** Of each post, its beginning: a megabyte of ever new words would hold the event loop for half a second. */
const INDEXED_BYTES = 64 * 1024;

const NEXT = `
  SELECT max(seq) AS until, count(*) AS posts FROM (
    SELECT seq, sum(bytes) OVER (ORDER BY seq) - bytes AS before FROM (
      SELECT seq, min(octet_length(content), ${INDEXED_BYTES}) AS bytes
      FROM posts WHERE seq > (SELECT seq FROM search_progress) ORDER BY seq LIMIT ${STEP}))
  WHERE before < ${STEP_BYTES}`;
const INDEX = `
  INSERT INTO search (rowid, conversation, content)
  SELECT seq, replace(conversation, '-', ''), ${textOf(INDEXED_BYTES)}
  FROM posts WHERE seq > (SELECT seq FROM search_progress) AND seq <= ? ORDER BY seq`;

/** Indexes the posts that are not yet; answers how many those were. Ends early when `signal` aborts. */
export async function indexForSearch(db: Database, signal?: AbortSignal): Promise<number> {
  const next = () => db.sql(NEXT).get() as { until: number | null; posts: number };
  let indexed = 0;
  // Most searches find everything indexed: the read spares them a transaction.
  for (; !signal?.aborted && next().until !== null; await turn())
    indexed += await db.write(() => {
      const { until, posts } = next();
      // Another process may have done it meanwhile.
      if (until === null) return 0;
      db.sql(INDEX).run(until);
      db.sql('UPDATE search_progress SET seq = ?').run(until);
      return posts;
    });
  return indexed;
}

/** Takes posts out of the index, inside the write that deletes them. */
export function forget(db: Database, posts: readonly number[]): void {
  try {
    // Not `run`: FTS5 leaves a number of its own as the last inserted rowid, too large for node:sqlite, which throws.
    for (const post of posts) db.sql('DELETE FROM search WHERE rowid = ?').all(post);
  } finally {
    // An insert puts a small number there again; without it the next update of anything would throw.
    db.sql('INSERT OR REPLACE INTO search_progress SELECT id, seq FROM search_progress').all();
  }
}

/** The conversations, any of them, as the index names them: one token each. */
export function anyOf(conversationIds: readonly string[]): string {
  return conversationIds.map((id) => id.replaceAll('-', '')).join(' OR ');
}

/** The beginning of a post's content as text, also where it is stored as bytes. */
export function textOf(bytes: number): string {
  return `CAST(substr(CAST(content AS BLOB), 1, ${bytes}) AS TEXT)`;
}
