import { statSync } from 'node:fs';
import { CleoError } from '@cleocode/contracts';

/** Which file a path leads to now; `undefined` when to none. Never opens it: that would drop SQLite's locks. */
export function identity(file: string): string | undefined {
  try {
    const { dev, ino } = statSync(file);
    return `${dev}:${ino}`;
  } catch {
    // Gone, or no longer reachable: either way not the file that was opened.
    return undefined;
  }
}

export function replacedError(file: string): CleoError {
  return new CleoError('E_STORAGE_REPLACED', `${file}: the file was deleted or replaced while open`, {
    hint: 'Stop the process, put the right file back, start again.',
    details: { file },
  });
}
