import type { AsideJournal } from './aside.ts';
import type { ConduitMessage } from './message.ts';

/** A value now, or later. */
export type MaybePromise<T> = T | Promise<T>;

/** Whether a message is to be handled: `begun`, or not any more, because its key is `done` or `dead`. */
export type BeginResult =
  /** `attempt` counts from 1 and includes attempts a crash cut short; `failures` counts those a handler failed. */
  { state: 'begun'; attempt: number; failures: number } | { state: 'done' } | { state: 'dead' };

/** A message that is not tried again, kept whole until somebody replays or deletes it. */
export interface DeadLetter {
  key: string;
  message: ConduitMessage;
  reason: string;
  attempts: number;
  /** RFC 3339. */
  diedAt: string;
}

/**
 * What the backend cannot know about a delivery: attempts, keys already done, cursors, dead letters.
 *
 * A promise that resolves means the fact survives a crash of this process, and of the machine where the journal is
 * durable. A rejection carries a code (`E_STORAGE_FULL`, `E_STORAGE_IO`, …); the inbox holds the message, reports the
 * problem and tries again.
 */
export interface Journal {
  /** Counts an attempt, unless the key is done or dead already. */
  begin(key: string): MaybePromise<BeginResult>;
  /** The handlers have finished: never hand this key out again. */
  done(key: string): MaybePromise<void>;
  /** The attempt failed; another will follow. */
  failed(key: string, reason: string): MaybePromise<void>;
  /** The attempt was given up by a shutdown: it does not count. */
  release(key: string): MaybePromise<void>;
  /** Keeps the message whole and ends its retries. */
  dead(key: string, message: ConduitMessage, reason: string): MaybePromise<void>;
  /** A named position, a `seq`. */
  getCursor(name: string): MaybePromise<number | undefined>;
  setCursor(name: string, value: number): MaybePromise<void>;
  /** A named text, such as the id after which a stream goes on. A journal may keep none: nothing may depend on it. */
  getMark?(name: string): MaybePromise<string | undefined>;
  setMark?(name: string, value: string): MaybePromise<void>;
  /**
   * For conversations that are set aside. Without it their messages wait in the inbox, unread at the backend, as far as one
   * conversation may fill it; and which ones are set aside is forgotten with the process.
   */
  readonly asides?: AsideJournal | undefined;
}
