import { statSync } from 'node:fs';
import { CleoError } from '@cleocode/contracts';
import type { Database } from './database.ts';

export interface WatchOptions {
  /** How often to look, in milliseconds. Default 20: half of that is the mean delay, for about 1 % of one core. */
  intervalMs?: number;
  /** The file was deleted or another was put in its place; the watch has ended. */
  onReplaced?: (error: CleoError) => void;
}

const REPLACED_CHECK_MS = 1_000;

/**
 * Runs `onChange` after another connection, of this or another process, committed to the file. Own writes on
 * `database` do not count. Returns the function that ends the watch.
 *
 * It reads `PRAGMA data_version`, which costs microseconds and sees every commit; file system events do not.
 */
export function watchDatabase(
  database: Database,
  onChange: () => void,
  options: WatchOptions = {},
): () => void {
  const interval = options.intervalMs ?? 20;
  const pragma = database.sql('PRAGMA data_version');
  const read = () => (pragma.get() as { data_version: number }).data_version;
  const inode = identity(database.file);
  let seen = read();
  let nextIdentityCheck = performance.now() + REPLACED_CHECK_MS;
  const changed = () => {
    try {
      const now = read();
      if (now === seen) return false;
      seen = now;
      return true;
    } catch {
      // A file that cannot be read is a change too: the reader meets the real error and reports it.
      return true;
    }
  };
  const timer = setInterval(() => {
    if (changed()) onChange();
    if (performance.now() < nextIdentityCheck) return;
    nextIdentityCheck = performance.now() + REPLACED_CHECK_MS;
    if (identity(database.file) === inode) return;
    clearInterval(timer);
    options.onReplaced?.(
      new CleoError('E_STORAGE_REPLACED', `${database.file}: the file was deleted or replaced while open`, {
        hint: 'Stop the process, put the right file back, start again.',
        details: { file: database.file },
      }),
    );
  }, interval);
  return () => clearInterval(timer);
}

function identity(file: string): string | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}
