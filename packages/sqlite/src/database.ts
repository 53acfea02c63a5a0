import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { CleoError } from '@cleocode/contracts';
import { openError, storageError } from './errors.ts';
import { createPrivately, exists } from './file.ts';
import { GroupCommit } from './group-commit.ts';
import { migrate } from './migrate.ts';

/** Enough to see another commit through; all longer waiting is done outside SQLite. */
const LOCK_WAIT_MS = 10;

/** What the database holds, and whether it may be made. */
export interface OpenOptions {
  /** SQL scripts, oldest first; the database's `user_version` says how many have run. Never edit one that shipped. */
  migrations: readonly string[];
  /** Make the file and its folder when missing. Default `true`. */
  create?: boolean;
}

/**
 * One connection to one file, in WAL mode with `synchronous=FULL`: what {@link write} resolved survives a power cut.
 *
 * node:sqlite is synchronous, so nothing here waits for a lock inside SQLite for longer than 10 ms; a busy database is
 * retried from the event loop.
 */
export interface Database {
  readonly file: string;
  /**
   * A prepared statement, kept for the next call with the same text. For reads anywhere, for writes inside {@link write}.
   * `get`, `all` and `run` throw `E_STORAGE_…` where the storage is at fault.
   */
  sql(text: string): StatementSync;
  /**
   * Runs `work` inside a transaction that all writes of this tick share, and resolves with its result once that
   * transaction is committed to disk. When `work` throws, its own changes are undone and only its caller is rejected.
   * `work` is synchronous and may run twice. Rejects with `E_STORAGE_…`.
   */
  write<T>(work: () => T): Promise<T>;
  /** Commits what is queued, shrinks the log and closes. Further calls reject with `E_STORAGE_CLOSED`. */
  close(): Promise<void>;
}

/**
 * Opens (and migrates) a database file: mode 0600, in a folder of mode 0700.
 *
 * Throws `E_STORAGE_CORRUPT`, `E_STORAGE_UNAVAILABLE`, `E_STORAGE_READONLY`, `E_STORAGE_NEWER`, `E_STORAGE_BUSY`.
 */
export async function openDatabase(file: string, options: OpenOptions): Promise<Database> {
  let connection: DatabaseSync | undefined;
  try {
    if (options.create !== false) createPrivately(file);
    else if (!exists(file))
      throw new CleoError('E_STORAGE_UNAVAILABLE', `${file}: no such file`, { details: { file } });
    connection = new DatabaseSync(file, { timeout: LOCK_WAIT_MS });
    await migrate(connection, file, options.migrations);
    return new Connection(file, connection);
  } catch (error) {
    connection?.close();
    throw openError(error, file);
  }
}

class Connection implements Database {
  readonly file: string;
  readonly #connection: DatabaseSync;
  readonly #commits: GroupCommit;
  readonly #statements = new Map<string, StatementSync>();
  #open = true;
  #closing: Promise<void> | undefined;

  constructor(file: string, connection: DatabaseSync) {
    this.file = file;
    this.#connection = connection;
    this.#commits = new GroupCommit(connection, file);
  }

  sql(text: string): StatementSync {
    if (!this.#open) throw this.#closedError();
    let statement = this.#statements.get(text);
    if (!statement) {
      try {
        statement = translating(this.#connection.prepare(text), this.file);
      } catch (error) {
        throw storageError(error, this.file);
      }
      this.#statements.set(text, statement);
    }
    return statement;
  }

  write<T>(work: () => T): Promise<T> {
    if (this.#closing) return Promise.reject(this.#closedError());
    return this.#commits.add(work);
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    await this.#commits.drain();
    this.#open = false;
    this.#connection.close();
  }

  #closedError(): CleoError {
    return new CleoError('E_STORAGE_CLOSED', `${this.file}: closed already`, {
      details: { file: this.file },
    });
  }
}

/** Makes a statement throw what this package promises instead of SQLite's own errors. */
function translating(statement: StatementSync, file: string): StatementSync {
  for (const method of ['get', 'all', 'run'] as const) {
    const original = statement[method].bind(statement) as (...parameters: unknown[]) => never;
    statement[method] = (...parameters: unknown[]) => {
      try {
        return original(...parameters);
      } catch (error) {
        throw storageError(error, file);
      }
    };
  }
  return statement;
}
