import type { CleoError } from '@cleocode/contracts';
import type { Database } from './database.ts';
import { identity, replacedError } from './identity.ts';

/** How often a database is looked at, and who hears of its end. */
export interface WatchOptions {
  /** How often to look, in milliseconds. Default 20: half of that is the mean delay, for about 1 % of one core. */
  intervalMs?: number;
  /** The file was deleted or another was put in its place; the watch has ended. Seen within a second. */
  onReplaced?: (error: CleoError) => void;
}

const REPLACED_CHECK_MS = 500;

/**
 * Runs `onChange` after another connection, of this or another process, committed to the file. Own writes on
 * `database` do not count. Returns the function that ends the watch; end it before closing the database.
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
  const opened = identity(database.file);
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
    if (identity(database.file) === opened) return;
    clearInterval(timer);
    options.onReplaced?.(replacedError(database.file));
  }, interval);
  return () => clearInterval(timer);
}
