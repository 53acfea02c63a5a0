import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}

/**
 * Makes an empty file of mode 0600 (SQLite gives `-wal` and `-shm` the same) in a folder of mode 0700, unless it exists.
 *
 * A file that exists is not opened: closing any descriptor of it would drop the locks SQLite holds in this process.
 */
export function createPrivately(file: string): void {
  if (exists(file)) return;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
