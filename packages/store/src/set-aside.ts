import {
  type AsideConversation,
  type AsideJournal,
  CleoError,
  type ConduitMessage,
  type HeldMessage,
} from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import { DONE, HELD, OPEN, REPLAY } from './delivery-state.ts';
import { toJson } from './message-json.ts';

/** A conversation that is set aside, with how many messages wait for it. */
export interface HeldConversation extends AsideConversation {
  held: number;
}

interface Row {
  conversation: string;
  cause: AsideConversation['cause'];
  reason: string;
  since: number;
  resuming: number;
}

const DEFAULT_LIMIT = 100;
const ONE = 'agent = :agent AND conversation = :conversation';
const HELD_OF = `FROM deliveries INDEXED BY held WHERE ${ONE} AND state = ${HELD}`;

const SQL = {
  list: 'SELECT conversation, cause, reason, since, resuming FROM asides WHERE agent = ? ORDER BY since, conversation',
  find: `SELECT resuming FROM asides WHERE ${ONE}`,
  add: `INSERT INTO asides (agent, conversation, cause, reason, since, resuming)
    VALUES (:agent, :conversation, :cause, :reason, :since, 0) ON CONFLICT DO NOTHING`,
  resume: `UPDATE asides SET resuming = 1 WHERE ${ONE}`,
  remove: `DELETE FROM asides WHERE ${ONE}`,
  hold: `UPDATE deliveries
    SET state = ${HELD}, attempt = max(attempt - 1, 0), at = :at, message = :message, conversation = :conversation
    WHERE agent = :agent AND key = :key AND state IN (${OPEN}, ${REPLAY}, ${HELD})`,
  count: `SELECT count(*) AS count ${HELD_OF}`,
  messages: `SELECT message ${HELD_OF} ORDER BY n LIMIT :limit`,
  next: `SELECT key, message ${HELD_OF} ORDER BY n LIMIT 1`,
  drop: `UPDATE deliveries INDEXED BY held SET state = ${DONE}, at = :at, reason = NULL, message = NULL
    WHERE ${ONE} AND state = ${HELD}`,
};

/** One agent's conversations that are set aside. Safe to use from another process while the agent runs. */
export class SetAside implements AsideJournal {
  readonly #db: Database;
  readonly #agent: string;

  constructor(db: Database, agent: string) {
    this.#db = db;
    this.#agent = agent;
  }

  async list(): Promise<HeldConversation[]> {
    const rows = this.#db.sql(SQL.list).all(this.#agent) as unknown as Row[];
    return rows.map(({ conversation, cause, reason, since, resuming }) => ({
      conversation,
      cause,
      reason,
      since: new Date(since).toISOString(),
      resuming: resuming === 1,
      held: this.#db.sql(SQL.count).get(this.#one(conversation))!.count as number,
    }));
  }

  /** Whether a conversation is set aside, goes on with what was held, or is like any other. */
  state(conversation: string): 'aside' | 'resuming' | 'free' {
    const row = this.#db.sql(SQL.find).get(this.#one(conversation));
    if (!row) return 'free';
    return row.resuming === 1 ? 'resuming' : 'aside';
  }

  async hold(
    conversation: string,
    { key, message }: HeldMessage,
    aside?: Pick<AsideConversation, 'cause' | 'reason'>,
  ): Promise<'held' | 'resuming' | 'free'> {
    const whole = toJson(message);
    return this.#db.write(() => {
      const one = this.#one(conversation);
      const at = Date.now();
      if (aside) this.#db.sql(SQL.add).run({ ...one, cause: aside.cause, reason: aside.reason, since: at });
      const state = this.state(conversation);
      if (state !== 'aside') return state;
      this.#db.sql(SQL.hold).run({ ...one, key, at, message: whole });
      return 'held';
    });
  }

  async next(conversation: string): Promise<HeldMessage | undefined> {
    const row = this.#db.sql(SQL.next).get(this.#one(conversation));
    if (row) return { key: row.key as string, message: JSON.parse(row.message as string) };
    await this.#db.write(() => this.#db.sql(SQL.remove).run(this.#one(conversation)));
    return undefined;
  }

  /** At once where the agent runs, else at its next start. A conversation that is not set aside is nothing. */
  async resume(conversation: string): Promise<void> {
    await this.#db.write(() => this.#db.sql(SQL.resume).run(this.#one(conversation)));
  }

  /** Forgets what is held of a conversation, which then goes on; resolves with how many messages. */
  async drop(conversation: string): Promise<number> {
    return this.#db.write(() => this.#drop(conversation));
  }

  /** Resolves with how many messages of how many conversations. */
  async dropAll(): Promise<{ conversations: number; messages: number }> {
    return this.#db.write(() => {
      const rows = this.#db.sql(SQL.list).all(this.#agent) as unknown as Row[];
      const dropped = rows.map(({ conversation }) => this.#drop(conversation));
      return { conversations: rows.length, messages: dropped.reduce((sum, count) => sum + count, 0) };
    });
  }

  /** The one of {@link list}. Rejects with `E_NOT_FOUND_SET_ASIDE`. */
  async get(conversation: string): Promise<HeldConversation> {
    const found = (await this.list()).find((one) => one.conversation === conversation);
    if (found) return found;
    throw new CleoError(
      'E_NOT_FOUND_SET_ASIDE',
      `agent "${this.#agent}" has no conversation "${conversation}" set aside`,
      {
        hint: `List them: cleo agent set-aside ${this.#agent} list`,
        details: { agentId: this.#agent, conversation },
      },
    );
  }

  /** What is held of a conversation, oldest first. `limit` defaults to 100. */
  async messages(
    conversation: string,
    { limit = DEFAULT_LIMIT }: { limit?: number } = {},
  ): Promise<ConduitMessage[]> {
    const rows = this.#db.sql(SQL.messages).all({ ...this.#one(conversation), limit });
    return rows.map(({ message }) => JSON.parse(message as string));
  }

  #drop(conversation: string): number {
    const one = this.#one(conversation);
    const { changes } = this.#db.sql(SQL.drop).run({ ...one, at: Date.now() });
    this.#db.sql(SQL.remove).run(one);
    return Number(changes);
  }

  #one(conversation: string) {
    return { agent: this.#agent, conversation };
  }
}
