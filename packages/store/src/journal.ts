import type { BeginResult, ConduitMessage, Journal } from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import { DEAD, DONE, HELD, OPEN, REPLAY } from './delivery-state.ts';
import { toJson } from './message-json.ts';
import { Retention, type RetentionLimits } from './retention.ts';
import { SetAside } from './set-aside.ts';

/** Reasons come from handlers, which may throw anything of any length. */
const REASON_CHARS = 2_000;

const NEW_ROW = `
  INSERT INTO deliveries (agent, n, key, state, attempt, failures, at, reason, message)
  VALUES (:agent, (SELECT ifnull(max(n), 0) + 1 FROM deliveries WHERE agent = :agent),
          :key, :state, :attempt, 0, :at, :reason, :message)`;

const SQL = {
  find: 'SELECT state FROM deliveries WHERE agent = ? AND key = ?',
  begin: `${NEW_ROW}
    ON CONFLICT (agent, key) DO UPDATE SET attempt = attempt + 1 WHERE state IN (${OPEN}, ${REPLAY}, ${HELD})
    RETURNING attempt, failures`,
  failed: `UPDATE deliveries SET failures = failures + 1, reason = ?
    WHERE agent = ? AND key = ? AND state IN (${OPEN}, ${REPLAY}, ${HELD})`,
  release: `UPDATE deliveries SET attempt = attempt - 1
    WHERE agent = ? AND key = ? AND state IN (${OPEN}, ${REPLAY}, ${HELD}) AND attempt > 0`,
  end: 'UPDATE deliveries SET state = :state, at = :at, reason = :reason, message = :message WHERE agent = :agent AND key = :key',
  insert: NEW_ROW,
  getCursor: 'SELECT value FROM cursors WHERE agent = ? AND name = ?',
  setCursor: 'INSERT OR REPLACE INTO cursors (agent, name, value) VALUES (?, ?, ?)',
  getMark: 'SELECT value FROM marks WHERE agent = ? AND name = ?',
  setMark: 'INSERT OR REPLACE INTO marks (agent, name, value) VALUES (?, ?, ?)',
};

/** One agent's journal in `state.db`. Concurrent calls share a transaction; each promise resolves once it is on disk. */
export class DurableJournal implements Journal {
  readonly #db: Database;
  readonly #agent: string;
  readonly #retention: Retention;
  readonly asides: SetAside;

  constructor(db: Database, agent: string, limits: RetentionLimits) {
    this.#db = db;
    this.#agent = agent;
    this.#retention = new Retention(db, agent, limits);
    this.asides = new SetAside(db, agent);
  }

  /** A key that is done or dead is answered from a read: it writes nothing and waits for nobody. */
  async begin(key: string): Promise<BeginResult> {
    return (
      this.#ended(key) ??
      this.#db.write(() => {
        const begun = this.#db.sql(SQL.begin).get({ ...this.#row(key, OPEN), attempt: 1 }) as
          | { attempt: number; failures: number }
          | undefined;
        if (!begun) return this.#ended(key)!;
        if (begun.attempt === 1) this.#retention.grown();
        return { state: 'begun', attempt: begun.attempt, failures: begun.failures };
      })
    );
  }

  async done(key: string): Promise<void> {
    await this.#db.write(() => this.#end(key, DONE));
  }

  async failed(key: string, reason: string): Promise<void> {
    await this.#db.write(() => this.#db.sql(SQL.failed).run(reason.slice(0, REASON_CHARS), this.#agent, key));
  }

  async release(key: string): Promise<void> {
    await this.#db.write(() => this.#db.sql(SQL.release).run(this.#agent, key));
  }

  async dead(key: string, message: ConduitMessage, reason: string): Promise<void> {
    const whole = toJson(message);
    await this.#db.write(() => this.#end(key, DEAD, reason.slice(0, REASON_CHARS), whole));
  }

  async getCursor(name: string): Promise<number | undefined> {
    return this.#db.sql(SQL.getCursor).get(this.#agent, name)?.value as number | undefined;
  }

  async setCursor(name: string, value: number): Promise<void> {
    await this.#db.write(() => this.#db.sql(SQL.setCursor).run(this.#agent, name, value));
  }

  async getMark(name: string): Promise<string | undefined> {
    return this.#db.sql(SQL.getMark).get(this.#agent, name)?.value as string | undefined;
  }

  async setMark(name: string, value: string): Promise<void> {
    await this.#db.write(() => this.#db.sql(SQL.setMark).run(this.#agent, name, value));
  }

  #ended(key: string): BeginResult | undefined {
    const state = this.#db.sql(SQL.find).get(this.#agent, key)?.state;
    if (state === DONE) return { state: 'done' };
    if (state === DEAD) return { state: 'dead' };
    return undefined;
  }

  #end(key: string, state: number, reason: string | null = null, message: string | null = null): void {
    const row = { ...this.#row(key, state), reason, message };
    const { attempt, ...ended } = row;
    if (this.#db.sql(SQL.end).run(ended).changes === 0) this.#db.sql(SQL.insert).run(row);
  }

  #row(key: string, state: number) {
    return { agent: this.#agent, key, state, attempt: 0, at: Date.now(), reason: null, message: null };
  }
}
