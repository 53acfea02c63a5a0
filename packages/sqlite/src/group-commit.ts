import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { isBusy, storageError } from './errors.ts';

/** A transaction stops growing here, so that the event loop is not held for long. */
const MAX_WRITES = 512;
/** How long a write waits for other processes before it is rejected with `E_STORAGE_BUSY`. */
const BUSY_DEADLINE_MS = 10_000;
const BUSY_CAP_MS = 20;

interface Pending {
  work: () => unknown;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
}

/**
 * One transaction per tick: an fsync costs the same for one write as for hundreds, so writes that arrive together are
 * committed together, and each caller hears only after the commit.
 */
export class GroupCommit {
  readonly #connection: DatabaseSync;
  readonly #file: string;
  #queue: Pending[] = [];
  #running: Promise<void> | undefined;

  constructor(connection: DatabaseSync, file: string) {
    this.#connection = connection;
    this.#file = file;
  }

  add<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, resolve, reject });
      this.#running ??= new Promise<void>((done) => {
        setImmediate(() => this.#run().then(done));
      });
    });
  }

  /** Resolves when everything queued so far is committed or rejected. */
  async drain(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Never rejects: each outcome goes to the one who asked for the write. */
  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, MAX_WRITES);
      try {
        await this.#begin();
        this.#commit(batch);
      } catch (error) {
        for (const pending of batch) pending.reject(storageError(error, this.#file));
      }
      // Lets the callers go on, and add to the next batch, before the next transaction blocks the loop.
      if (this.#queue.length > 0) await new Promise((resolve) => setImmediate(resolve));
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

  /** Runs the batch inside the open transaction. A write that throws is left out and the others are run anew. */
  #commit(batch: Pending[]): void {
    const results: unknown[] = [];
    for (const [index, pending] of batch.entries()) {
      try {
        results.push(pending.work());
      } catch (error) {
        this.#rollback();
        pending.reject(storageError(error, this.#file));
        const rest = batch.toSpliced(index, 1);
        if (rest.length > 0) this.#queue.unshift(...rest);
        return;
      }
    }
    try {
      this.#connection.exec('COMMIT');
    } catch (error) {
      this.#rollback();
      throw error;
    }
    for (const [index, pending] of batch.entries()) pending.resolve(results[index] as never);
  }

  #rollback(): void {
    // Some errors (a full disk) make SQLite roll back by itself; a second ROLLBACK would throw and hide the first cause.
    if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
  }
}
