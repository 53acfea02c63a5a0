import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CleoError } from '@cleocode/contracts';
import { isBusy, storageError } from './errors.ts';

export interface HeldLock {
  /** Lets the next process in. */
  release(): void;
}

/**
 * Holds `file` for this process, or throws `E_ALREADY_RUNNING` with the holder's pid in `details.pid`.
 *
 * The lock is SQLite's own lock on the file, which the operating system drops when the process ends in any way: there is
 * no stale lock to recognise, and no moment in which two processes both think they hold it. The pid stands beside it in
 * `<file>.pid`, for people.
 */
export function acquireLock(file: string): HeldLock {
  const pidFile = `${file}.pid`;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const connection = new DatabaseSync(file, { timeout: 0 });
  try {
    connection.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    connection.close();
    if (!isBusy(error)) throw storageError(error, file);
    const pid = holder(pidFile);
    throw new CleoError('E_ALREADY_RUNNING', `already running${pid ? ` as process ${pid}` : ''} (${file})`, {
      hint: 'Stop that one first.',
      details: { file, pid },
      cause: error,
    });
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  return {
    release() {
      if (!connection.isOpen) return;
      rmSync(pidFile, { force: true });
      connection.close();
    },
  };
}

function holder(pidFile: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(pidFile, 'utf8'), 10) || undefined;
  } catch {
    // The holder has the lock but has not written its pid yet.
    return undefined;
  }
}
