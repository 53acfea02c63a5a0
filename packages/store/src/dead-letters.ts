import { CleoError, type ConduitMessage, type DeadLetter } from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import { DEAD, DONE, REPLAY } from './delivery-state.ts';

/** A dead letter waiting to be handed out again. */
export interface PendingReplay {
  key: string;
  /** Changes when it is marked anew. */
  at: number;
}

interface Row {
  key: string;
  attempt: number;
  at: number;
  reason: string | null;
  message: string;
}

const DEFAULT_LIMIT = 100;
/** Names the partial index's own condition, so that only dead letters are looked at, however many keys there are. */
const WITH_MESSAGE = 'FROM deliveries INDEXED BY dead_letters WHERE agent = :agent AND message IS NOT NULL';
const ONE = `(key = :ref OR message ->> '$.id' = :ref)`;
const REPLAY_ALL = update(`state = ${REPLAY}, attempt = 0, failures = 0, at = :at`);
const DROP_ALL = update(`state = ${DONE}, at = :at, reason = NULL, message = NULL`);

/** One agent's dead letters. Safe to use from another process while the agent runs. */
export class DeadLetters {
  readonly #db: Database;
  readonly #agent: string;

  constructor(db: Database, agent: string) {
    this.#db = db;
    this.#agent = agent;
  }

  /** Oldest first. `limit` defaults to 100. */
  async list({ limit = DEFAULT_LIMIT }: { limit?: number } = {}): Promise<DeadLetter[]> {
    const rows = this.#db
      .sql(
        `SELECT key, attempt, at, reason, message ${WITH_MESSAGE} AND state = ${DEAD} ORDER BY n LIMIT :limit`,
      )
      .all({ agent: this.#agent, limit });
    return rows.map((row) => toDeadLetter(row as unknown as Row));
  }

  async count(): Promise<number> {
    const row = this.#db
      .sql(`SELECT count(*) AS count ${WITH_MESSAGE} AND state = ${DEAD}`)
      .get({ agent: this.#agent });
    return row!.count as number;
  }

  /** By key or message id. Rejects with `E_NOT_FOUND_DEAD_LETTER`. */
  async get(keyOrId: string): Promise<DeadLetter> {
    const row = this.#db
      .sql(`SELECT key, attempt, at, reason, message ${WITH_MESSAGE} AND state = ${DEAD} AND ${ONE}`)
      .get({ agent: this.#agent, ref: keyOrId });
    if (!row) throw this.#notFound(keyOrId);
    return toDeadLetter(row as unknown as Row);
  }

  /**
   * Lets the message be handled again, its attempts counted anew: at once by a running agent, else at its next start. It
   * stays marked until it is done or dead again. Resolves with how many; rejects with `E_NOT_FOUND_DEAD_LETTER`.
   */
  replay(keyOrId: string): Promise<number> {
    return this.#changeOne(REPLAY_ALL, keyOrId);
  }

  /** {@link replay} for every one. Resolves with how many. */
  replayAll(): Promise<number> {
    return this.#changeAll(REPLAY_ALL);
  }

  /** Forgets the message; its key counts as done. Resolves with how many; rejects with `E_NOT_FOUND_DEAD_LETTER`. */
  drop(keyOrId: string): Promise<number> {
    return this.#changeOne(DROP_ALL, keyOrId);
  }

  /** {@link drop} for every one. Resolves with how many. */
  dropAll(): Promise<number> {
    return this.#changeAll(DROP_ALL);
  }

  /** What is marked to be handled again, oldest first, without the messages. */
  pendingReplays(): PendingReplay[] {
    const rows = this.#db
      .sql(`SELECT key, at ${WITH_MESSAGE} AND state = ${REPLAY} ORDER BY n`)
      .all({ agent: this.#agent });
    return rows as unknown as PendingReplay[];
  }

  /** The message of a pending replay; `undefined` when it has ended meanwhile. */
  messageToReplay(key: string): ConduitMessage | undefined {
    const row = this.#db
      .sql(`SELECT message FROM deliveries WHERE agent = ? AND key = ? AND state = ${REPLAY}`)
      .get(this.#agent, key);
    return row && JSON.parse(row.message as string);
  }

  #changeOne(all: string, ref: string): Promise<number> {
    return this.#db.write(() => {
      const { changes } = this.#db.sql(`${all} AND ${ONE}`).run({ agent: this.#agent, ref, at: Date.now() });
      if (changes === 0) throw this.#notFound(ref);
      return Number(changes);
    });
  }

  #changeAll(all: string): Promise<number> {
    return this.#db.write(() =>
      Number(this.#db.sql(all).run({ agent: this.#agent, at: Date.now() }).changes),
    );
  }

  #notFound(ref: string): CleoError {
    return new CleoError('E_NOT_FOUND_DEAD_LETTER', `agent "${this.#agent}" has no dead letter "${ref}"`, {
      hint: `List them: cleo agent dead-letters ${this.#agent} list`,
      details: { agentId: this.#agent, ref },
    });
  }
}

function update(set: string): string {
  return `UPDATE deliveries INDEXED BY dead_letters SET ${set}
    WHERE agent = :agent AND message IS NOT NULL AND state = ${DEAD}`;
}

function toDeadLetter({ key, attempt, at, reason, message }: Row): DeadLetter {
  return {
    key,
    message: JSON.parse(message),
    reason: reason ?? '',
    attempts: attempt,
    diedAt: new Date(at).toISOString(),
  };
}
