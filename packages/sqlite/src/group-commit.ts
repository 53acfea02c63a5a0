import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { isBusy, storageError } from './errors.ts';
import { identity, replacedError } from './identity.ts';

/** A transaction takes in no more writes after this long, so that the event loop is not held. */
const SLICE_MS = 20;
/** How long a write waits for other processes before it is rejected with `E_STORAGE_BUSY`. */
const BUSY_DEADLINE_MS = 10_000;
const BUSY_CAP_MS = 20;

interface Pending {
  work: () => unknown;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
}

/** Tells one caller how its write went; called once the transaction is on disk. */
type Answer = () => void;

/**
 * One transaction per tick: an fsync costs the same for one write as for hundreds, so writes that arrive together are
 * committed together, and each caller hears only after the commit.
 */
export class GroupCommit {
  readonly #connection: DatabaseSync;
  readonly #file: string;
  readonly #opened: string | undefined;
  #queue: Pending[] = [];
  #running: Promise<void> | undefined;

  constructor(connection: DatabaseSync, file: string) {
    this.#connection = connection;
    this.#file = file;
    this.#opened = identity(file);
  }

  add<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, resolve, reject });
      this.#running ??= turn().then(() => this.#run());
    });
  }

  /** Resolves when everything queued so far is committed or rejected. */
  async drain(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Never rejects: each outcome goes to the one who asked for the write. */
  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      try {
        await this.#begin();
        let answers = this.#together(batch);
        if (!answers) {
          await this.#begin();
          answers = this.#apart(batch);
        }
        this.#commit();
        for (const answer of answers) answer();
        if (answers.length < batch.length) this.#queue = batch.slice(answers.length).concat(this.#queue);
      } catch (error) {
        this.#rollback();
        for (const pending of batch) pending.reject(storageError(error, this.#file));
      }
      // Lets the callers go on, and add to the next batch, before the next transaction blocks the loop.
      if (this.#queue.length > 0) await turn();
    }
    this.#running = undefined;
  }

  /** Takes the write lock, waiting outside SQLite so that the event loop keeps turning. */
  async #begin(): Promise<void> {
    const deadline = performance.now() + BUSY_DEADLINE_MS;
    for (let attempt = 0; ; attempt++) {
      try {
        this.#connection.exec('BEGIN IMMEDIATE');
        return;
      } catch (error) {
        if (!isBusy(error) || performance.now() > deadline) throw error;
        await sleep(1 + Math.random() * Math.min(BUSY_CAP_MS, 2 ** attempt));
      }
    }
  }

  /** Runs the writes one after another, the fast way; when one throws, all are undone and the answer is `undefined`. */
  #together(batch: Pending[]): Answer[] | undefined {
    try {
      return slice(batch, ({ work, resolve }) => {
        const value = work() as never;
        return () => resolve(value);
      });
    } catch (error) {
      if (batch.length === 1) throw error;
      this.#rollback();
      return undefined;
    }
  }

  /** Runs each write inside a savepoint, which costs more and undoes only the one that throws. */
  #apart(batch: Pending[]): Answer[] {
    return slice(batch, ({ work, resolve, reject }) => {
      this.#connection.exec('SAVEPOINT one');
      try {
        const value = work() as never;
        this.#connection.exec('RELEASE one');
        return () => resolve(value);
      } catch (error) {
        // A full disk makes SQLite undo the whole transaction by itself; then no write of it has happened.
        if (!this.#connection.isTransaction) throw error;
        this.#connection.exec('ROLLBACK TO one; RELEASE one');
        return () => reject(storageError(error, this.#file));
      }
    });
  }

  #commit(): void {
    this.#connection.exec('COMMIT');
    // A commit into a file that no path leads to any more is lost with this process: it must not be reported as done.
    if (identity(this.#file) !== this.#opened) throw replacedError(this.#file);
  }

  #rollback(): void {
    if (!this.#connection.isTransaction) return;
    try {
      this.#connection.exec('ROLLBACK');
    } catch {
      // The error that led here says more, and a connection that cannot roll back fails its next BEGIN.
    }
  }
}

/** Runs as many of the batch as fit in the time, and at least one. */
function slice(batch: Pending[], run: (pending: Pending) => Answer): Answer[] {
  const end = performance.now() + SLICE_MS;
  const answers: Answer[] = [];
  for (const pending of batch) {
    answers.push(run(pending));
    if (performance.now() > end) break;
  }
  return answers;
}
