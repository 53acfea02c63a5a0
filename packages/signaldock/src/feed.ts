import { setImmediate as turn } from 'node:timers/promises';
import type { WireMessage } from '@cleocode/contracts';
import { type Database, watchDatabase } from '@cleocode/sqlite';
import { COLUMNS, type MessageRow, wireMessage } from './messages.ts';
import { takePage } from './page.ts';
import { validAgentId } from './validate.ts';

/** How many numbers one read covers, so that a burst of another process does not hold the event loop. */
const STEP = 200;
const RETRY_MS = 500;

/** Hears of a new message. What it throws goes to the `onError` beside it. */
export type MessageListener = (message: WireMessage) => void;

/** Tells of messages as they are committed. */
export interface NewMessages {
  /**
   * Runs `listener` for each message to the agent that is committed from now on, by this process or another, in `seq`
   * order, each once: at once for this process's sends, within about 20 ms for another's. It is a notification, not a
   * delivery: what is not acked is still unread. `onError` hears what `listener` throws and why reading failed (it goes
   * on by itself, except after `E_STORAGE_REPLACED`). Returns the function that ends it.
   */
  onMessages(agentId: string, listener: MessageListener, onError?: (error: unknown) => void): () => void;
}

interface Subscription {
  /** What was there before the subscription is not new to it. */
  after: number;
  listener: MessageListener;
  onError: (error: unknown) => void;
}

const LAST = "SELECT seq FROM sqlite_sequence WHERE name = 'messages'";
// By number, whatever index the planner would like: a step is short and must come in order.
const NEW = 'SELECT seq, to_agent FROM messages NOT INDEXED WHERE seq > ? AND seq <= ? ORDER BY seq';
const MESSAGE = `SELECT ${COLUMNS} FROM messages m JOIN posts p ON p.seq = m.post WHERE m.seq = ?`;

/**
 * Reads what was committed, in order, and hands it out. Numbers are given under the write lock, so a reader that has
 * seen one has seen all before it, whichever process wrote them. Nothing runs while nobody listens.
 */
export class Feed implements NewMessages {
  readonly #db: Database;
  /** By agent, so that a message costs the same however many listen to others. */
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  #cursor = 0;
  #stopWatching: (() => void) | undefined;
  #draining = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  onMessages(
    agentId: string,
    listener: MessageListener,
    onError: (error: unknown) => void = () => {},
  ): () => void {
    validAgentId(agentId);
    // The watch first: what is committed between the two lines is then before this subscription, not lost to it.
    if (this.#subscriptions.size === 0) this.#watch();
    const after = this.#last();
    if (this.#subscriptions.size === 0) this.#cursor = after;
    const subscription = { after, listener, onError };
    const listening = this.#subscriptions.get(agentId) ?? new Set();
    this.#subscriptions.set(agentId, listening.add(subscription));
    return () => {
      if (!listening.delete(subscription) || listening.size > 0) return;
      this.#subscriptions.delete(agentId);
      if (this.#subscriptions.size === 0) this.stop();
    };
  }

  /** Something was committed: hands it out before it returns, or as soon as what came earlier is handed out. */
  wake(): void {
    if (!this.#draining) void this.#drain();
  }

  stop(): void {
    // Each by itself too: one that is being handed a message ends there, and its end comes late and must end nothing.
    for (const listening of this.#subscriptions.values()) listening.clear();
    this.#subscriptions.clear();
    this.#stopWatching?.();
    clearTimeout(this.#retry);
  }

  #watch(): void {
    this.#stopWatching = watchDatabase(this.#db, () => this.wake(), {
      onReplaced: (error) => {
        this.#report(error);
        this.stop();
      },
    });
  }

  /** Never rejects. */
  async #drain(): Promise<void> {
    this.#draining = true;
    try {
      while (this.#subscriptions.size > 0 && this.#step()) await turn();
    } catch (error) {
      this.#report(error);
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.wake(), RETRY_MS);
    } finally {
      this.#draining = false;
    }
  }

  /** Hands out the next messages; whether there are more. */
  #step(): boolean {
    const last = this.#last();
    const until = Math.min(this.#cursor + STEP, last);
    if (until <= this.#cursor) return false;
    const { rows, cut } = takePage(this.#heard(until));
    this.#cursor = cut ? rows.at(-1)!.seq : until;
    for (const row of rows) this.#hand(wireMessage(row));
    return this.#cursor < last;
  }

  /** The messages up to `until` that somebody listens to; only of those the content is read. */
  *#heard(until: number): Generator<MessageRow> {
    for (const { seq, to_agent } of this.#db.sql(NEW).all(this.#cursor, until)) {
      if (!this.#subscriptions.has(to_agent as string)) continue;
      const row = this.#db.sql(MESSAGE).get(seq!);
      // Undefined when another process has just read and pruned it.
      if (row) yield row as unknown as MessageRow;
    }
  }

  #hand(message: WireMessage): void {
    for (const { after, listener, onError } of this.#subscriptions.get(message.toAgentId) ?? []) {
      if (message.seq! <= after) continue;
      try {
        listener(message);
      } catch (error) {
        onError(error);
      }
    }
  }

  #report(error: unknown): void {
    for (const listening of this.#subscriptions.values()) for (const { onError } of listening) onError(error);
  }

  #last(): number {
    return this.#db.sql(LAST).get()!.seq as number;
  }
}
