import { setImmediate as turn } from 'node:timers/promises';
import type { Database } from '@cleocode/sqlite';

/** How much one transaction indexes: this many posts, or as many bytes and the rest of the last post. */
const STEP = 500;
const STEP_BYTES = 256 * 1024;

const NEXT = `
  SELECT max(seq) AS until, count(*) AS posts FROM (
    SELECT seq, sum(octet_length(content)) OVER (ORDER BY seq) - octet_length(content) AS before
    FROM posts WHERE seq > (SELECT seq FROM search_progress) ORDER BY seq LIMIT ${STEP})
  WHERE before < ${STEP_BYTES}`;
const INDEX = `
  INSERT INTO search (rowid, conversation, content)
  SELECT seq, replace(conversation, '-', ''), CAST(content AS TEXT)
  FROM posts WHERE seq > (SELECT seq FROM search_progress) AND seq <= ? ORDER BY seq`;

/** Indexes the posts that are not; answers how many those were. Ends early when `signal` aborts. */
export async function indexForSearch(db: Database, signal?: AbortSignal): Promise<number> {
  let indexed = 0;
  for (; !signal?.aborted; await turn()) {
    const next = () => db.sql(NEXT).get() as { until: number | null; posts: number };
    // Most searches find everything indexed: the read spares them a transaction.
    if (next().until === null) break;
    indexed += await db.write(() => {
      const { until, posts } = next();
      if (until === null) return 0;
      db.sql(INDEX).run(until);
      db.sql('UPDATE search_progress SET seq = ?').run(until);
      return posts;
    });
  }
  return indexed;
}

/** Takes a post out of the index, inside the write that deletes it. */
export function forget(db: Database, post: number): void {
  db.sql('DELETE FROM search WHERE rowid = ?').run(post);
}

/** The conversations as the index names them: one token each. */
export function tokensOf(conversationIds: readonly string[]): string {
  return conversationIds.map((id) => id.replaceAll('-', '')).join(' OR ');
}
