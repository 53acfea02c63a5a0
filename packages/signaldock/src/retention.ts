import { setImmediate as turn } from 'node:timers/promises';
import type { Database } from '@cleocode/sqlite';
import type { Context } from './context.ts';
import { IDEMPOTENCY_MS } from './messages.ts';
import { forget } from './search-index.ts';

const DAY_MS = 86_400_000;
const FIRST_MS = 60_000;
const EVERY_MS = 3_600_000;
/** How many posts, or idempotency keys, one transaction looks at. */
const STEP = 200;
/** How many posts one transaction deletes. The search index is merged in proportion, which takes longer than the rest. */
const DELETE_STEP = 50;

/** What was deleted. */
export interface Pruned {
  /** Posts deleted, each with its copies. */
  messages: number;
  /** Idempotency keys forgotten. */
  idempotencyKeys: number;
}

/** Housekeeping. */
export interface Retention {
  /**
   * Deletes what nobody needs: messages that every recipient read more than `readDays` (default 30) ago, and idempotency
   * keys older than 24 hours. In short transactions, with a turn of the event loop after each.
   */
  prune(options?: { readDays?: number; signal?: AbortSignal }): Promise<Pruned>;
}

const NEXT = `
  SELECT max(seq) AS last, min(created_at) AS oldest
  FROM (SELECT seq, created_at FROM posts WHERE seq > ? ORDER BY seq LIMIT ${STEP})`;
// The copies of a post stand together: a short range of the primary key.
const COPIES = 'FROM messages m NOT INDEXED WHERE m.seq >= p.seq AND m.seq < p.seq + p.copies';
const SPENT = `
  SELECT p.seq, p.copies FROM posts p WHERE p.seq > ? AND p.seq <= ?
    AND NOT EXISTS (SELECT 1 ${COPIES} AND (m.read_at IS NULL OR m.read_at >= ?)) LIMIT ${DELETE_STEP}`;
const OLDEST_KEY = 'SELECT created_at FROM sends ORDER BY n LIMIT 1';
const FORGET_KEYS = `
  DELETE FROM sends WHERE n IN (SELECT n FROM sends ORDER BY n LIMIT ${STEP}) AND created_at < ?`;

export function retention({ db, now }: Context): Retention {
  return {
    async prune({ readDays = 30, signal } = {}) {
      const at = now();
      return {
        messages: await pruneMessages(db, at - readDays * DAY_MS, signal),
        idempotencyKeys: await pruneKeys(db, at - IDEMPOTENCY_MS, signal),
      };
    },
  };
}

/** Prunes a minute from now and then every hour, without keeping the process alive. */
export function keepPruning(
  { prune }: Retention,
  readDays: number,
  onError: (error: unknown) => void,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  let running = Promise.resolve();
  let timer = setTimeout(run, FIRST_MS);
  timer.unref();
  function run() {
    running = prune({ readDays, signal: stopping.signal }).then(() => {}, onError);
    // Processes that share the file and were started together should not prune together.
    timer = setTimeout(run, EVERY_MS * (1 + Math.random() * 0.2));
    timer.unref();
  }
  return {
    async stop() {
      clearTimeout(timer);
      stopping.abort();
      await running;
    },
  };
}

async function pruneMessages(db: Database, readBefore: number, signal?: AbortSignal): Promise<number> {
  let pruned = 0;
  for (let from = 0; !signal?.aborted; await turn()) {
    const { last, oldest } = db.sql(NEXT).get(from) as { last: number | null; oldest: number };
    if (last === null || oldest >= readBefore) break;
    const spent = () => db.sql(SPENT).all(from, last, readBefore) as { seq: number; copies: number }[];
    // Most steps find nothing: the read spares them a transaction.
    while (!signal?.aborted && spent().length > 0)
      pruned += await db.write(() => {
        const posts = spent();
        for (const { seq, copies } of posts) {
          db.sql('DELETE FROM messages WHERE seq >= ? AND seq < ?').run(seq, seq + copies);
          db.sql('DELETE FROM posts WHERE seq = ?').run(seq);
        }
        forget(
          db,
          posts.map(({ seq }) => seq),
        );
        return posts.length;
      });
    from = last;
  }
  return pruned;
}

async function pruneKeys(db: Database, before: number, signal?: AbortSignal): Promise<number> {
  let pruned = 0;
  for (; !signal?.aborted; await turn()) {
    const oldest = db.sql(OLDEST_KEY).get();
    if (!oldest || (oldest.created_at as number) >= before) break;
    pruned += await db.write(() => Number(db.sql(FORGET_KEYS).run(before).changes));
  }
  return pruned;
}
