import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { CleoError } from '@cleocode/contracts';
import { storageError } from './errors.ts';
import { GroupCommit } from './group-commit.ts';
import { migrate } from './migrate.ts';

export interface OpenOptions {
  /** SQL scripts, oldest first; the database's `user_version` says how many have run. Never edit one that shipped. */
  migrations: readonly string[];
  /** Make the file and its folder when missing. Default `true`. */
  create?: boolean;
}

/**
 * One connection to one file, in WAL mode with `synchronous=FULL`: what {@link write} resolved survives a power cut.
 *
 * node:sqlite is synchronous, so nothing here waits for a lock inside SQLite for longer than 50 ms; a busy database is
 * retried from the event loop.
 */
export interface Database {
  readonly file: string;
  /** A prepared statement, kept for the next call with the same text. For reads anywhere, for writes inside {@link write}. */
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
  const fresh = !exists(file);
  if (fresh && options.create === false)
    throw new CleoError('E_STORAGE_UNAVAILABLE', `${file}: no such file`, { details: { file } });
  let connection: DatabaseSync | undefined;
  try {
    if (fresh) mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    connection = new DatabaseSync(file, { timeout: 50 });
    if (fresh) chmodSync(file, 0o600);
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
  #closed = false;

  constructor(file: string, connection: DatabaseSync) {
    this.file = file;
    this.#connection = connection;
    this.#commits = new GroupCommit(connection, file);
  }

  sql(text: string): StatementSync {
    if (this.#closed) throw this.#closedError();
    let statement = this.#statements.get(text);
    if (!statement) {
      try {
        statement = this.#connection.prepare(text);
      } catch (error) {
        throw storageError(error, this.file);
      }
      this.#statements.set(text, statement);
    }
    return statement;
  }

  write<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(this.#closedError());
    return this.#commits.add(work);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#commits.drain();
    this.#connection.close();
  }

  #closedError(): CleoError {
    return new CleoError('E_STORAGE_CLOSED', `${this.file}: closed already`, {
      details: { file: this.file },
    });
  }
}

function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}

/** Faults of the folder come from the file system, faults of the file from SQLite: one shape for both. */
function openError(error: unknown, file: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return storageError(error, file);
  const readonly = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
  return new CleoError(
    readonly ? 'E_STORAGE_READONLY' : code === 'ENOSPC' ? 'E_STORAGE_FULL' : 'E_STORAGE_UNAVAILABLE',
    `${file}: ${(error as Error).message}`,
    {
      hint: 'Check that the folder exists and that this user may write it.',
      details: { file },
      cause: error,
    },
  );
}
