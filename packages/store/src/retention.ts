import type { Database } from '@cleocode/sqlite';
import { DONE, OPEN } from './delivery-state.ts';

/** A key is forgotten only when it is older than `minAgeMs` and not among the newest `minCount` of its agent. */
export interface RetentionLimits {
  /** Milliseconds since its last change. Default 7 days. */
  minAgeMs: number;
  /** Default 100,000. */
  minCount: number;
}

export const DEFAULT_RETENTION: RetentionLimits = { minAgeMs: 7 * 24 * 3_600_000, minCount: 100_000 };

/** Every so many new keys one batch is looked at: a batch is larger, so that forgetting keeps up with learning. */
const EVERY = 256;
const BATCH = 512;

const NEXT_BATCH = `
  SELECT max(n) AS last, sum(state IN (${OPEN}, ${DONE}) AND at < :before) AS old,
         sum(state IN (${OPEN}, ${DONE}) AND at >= :before) AS young
  FROM (SELECT n, state, at FROM deliveries
        WHERE agent = :agent AND n > :from
          AND n <= (SELECT max(n) FROM deliveries WHERE agent = :agent) - :keep
        ORDER BY n LIMIT ${BATCH})`;
const FORGET = `
  DELETE FROM deliveries
  WHERE agent = ? AND n > ? AND n <= ? AND state IN (${OPEN}, ${DONE}) AND at < ?`;

/**
 * Forgets old keys in small batches as new ones come, beside the hot path: never in one long transaction. Dead letters
 * stay until somebody replays or drops them.
 */
export class Retention {
  readonly #db: Database;
  readonly #agent: string;
  readonly #limits: RetentionLimits;
  #newKeys = 0;
  /** Everything up to here was looked at in this pass. */
  #from = 0;

  constructor(db: Database, agent: string, limits: RetentionLimits) {
    this.#db = db;
    this.#agent = agent;
    this.#limits = limits;
  }

  /** Called for each new key. */
  grown(): void {
    if (this.#newKeys++ % EVERY !== 0) return;
    setImmediate(() => {
      try {
        this.#look();
      } catch {
        // The journal's own calls meet the same fault and report it; the next batch tries again.
      }
    });
  }

  #look(): void {
    const before = Date.now() - this.#limits.minAgeMs;
    const from = this.#from;
    const { last, old, young } = this.#db
      .sql(NEXT_BATCH)
      .get({ agent: this.#agent, from, before, keep: this.#limits.minCount }) as Record<
      string,
      number | null
    >;
    // Where the young begin, the pass ends: the next one looks from the oldest again.
    this.#from = last === null || young ? 0 : last!;
    if (!old) return;
    this.#db
      .write(() => this.#db.sql(FORGET).run(this.#agent, from, last!, before))
      .catch(() => {
        // As above.
      });
  }
}
