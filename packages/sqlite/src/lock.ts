import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { CleoError } from '@cleocode/contracts';
import { isBusy, openError } from './errors.ts';
import { createPrivately } from './file.ts';

/** Two that come at once each hold the other off for a moment; within this time one of them gets through. */
const CONTEST_MS = 100;

/** Keeps a lock whose holder dropped the handle: collected as garbage, the connection would close and let others in. */
const held = new Set<DatabaseSync>();

/** A lock of this process. The system takes it away when the process ends, however it ends. */
export interface HeldLock {
  /** Lets the next process in. */
  release(): void;
}

/**
 * Holds `file` for this process, or throws `E_ALREADY_RUNNING` with the holder's pid in `details.pid`.
 *
 * The lock is SQLite's own lock on the file, which the operating system drops when the process ends in any way: there is
 * no stale lock to recognise, and no moment in which two processes both think they hold it. It is held until `release` or
 * the end of the process. The pid stands beside it in `<file>.pid`, for people. Blocks for at most 0.1 s. Throws `E_STORAGE_…` when the file cannot be made or written.
 */
export function acquireLock(file: string): HeldLock {
  const pidFile = `${file}.pid`;
  let connection: DatabaseSync | undefined;
  try {
    createPrivately(file);
    connection = new DatabaseSync(file, { timeout: CONTEST_MS });
    connection.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    connection?.close();
    if (!isBusy(error)) throw openError(error, file);
    const pid = holder(pidFile);
    throw new CleoError('E_ALREADY_RUNNING', `already running${pid ? ` as process ${pid}` : ''} (${file})`, {
      hint: 'Stop that one first.',
      details: { file, pid },
      cause: error,
    });
  }
  const lock = connection;
  held.add(lock);
  return {
    release() {
      if (!held.delete(lock)) return;
      rmSync(pidFile, { force: true });
      lock.close();
    },
  };
}

/**
 * Who holds `file` at this moment, as far as the pid beside it tells; `undefined` when nobody does, whatever is written there.
 * Only looks: makes nothing, and keeps nobody from the lock for longer than that.
 */
export function lockHolder(file: string): { pid: number | undefined } | undefined {
  if (!existsSync(file)) return undefined;
  const connection = new DatabaseSync(file, { readOnly: true, timeout: 0 });
  try {
    connection.exec('SELECT 1 FROM sqlite_schema');
    return undefined;
  } catch (error) {
    if (!isBusy(error)) throw openError(error, file);
    return { pid: holder(`${file}.pid`) };
  } finally {
    connection.close();
  }
}

function holder(pidFile: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(pidFile, 'utf8'), 10) || undefined;
  } catch {
    // The holder has the lock but has not written its pid yet.
    return undefined;
  }
}
