import { CleoError } from '@cleocode/contracts';

/** SQLite's primary result codes (sqlite.org/rescode.html) that call for an answer of their own. */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

const KNOWN: Record<number, { code: string; what: string; hint: string; retryable: boolean }> = {
  [BUSY]: {
    code: 'E_STORAGE_BUSY',
    what: 'another process holds the database',
    hint: 'Try again; if it stays, look for a process that keeps a transaction open on this file.',
    retryable: true,
  },
  [READONLY]: {
    code: 'E_STORAGE_READONLY',
    what: 'the database cannot be written',
    hint: 'Give this user write permission on the file and on its folder.',
    retryable: true,
  },
  [IOERR]: {
    code: 'E_STORAGE_IO',
    what: 'the disk refused a read or write',
    hint: 'Check the disk and the file system; nothing was acknowledged.',
    retryable: true,
  },
  [CORRUPT]: {
    code: 'E_STORAGE_CORRUPT',
    what: 'the file is damaged',
    hint: 'Move the file away and restore a backup, or start without it to begin anew.',
    retryable: false,
  },
  [FULL]: {
    code: 'E_STORAGE_FULL',
    what: 'the disk is full',
    hint: 'Free some space; work resumes by itself.',
    retryable: true,
  },
  [CANTOPEN]: {
    code: 'E_STORAGE_UNAVAILABLE',
    what: 'the file cannot be opened',
    hint: 'Check that the folder exists and that this user may read and write it.',
    retryable: false,
  },
};
KNOWN[NOTADB] = KNOWN[CORRUPT]!;
KNOWN[LOCKED] = KNOWN[BUSY]!;

/** What SQLite threw, as a `CleoError` that names the file; anything that is not SQLite's is returned as it is. */
export function storageError(error: unknown, file: string): unknown {
  const code = resultCode(error);
  if (code === undefined) return error;
  const known = KNOWN[code];
  if (!known) return new CleoError('E_STORAGE_IO', `${file}: ${(error as Error).message}`, { cause: error });
  return new CleoError(known.code, `${file}: ${known.what} (${(error as Error).message})`, {
    hint: known.hint,
    retryable: known.retryable,
    details: { file },
    cause: error,
  });
}

/** Another connection is writing: worth another try in a moment. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === BUSY || code === LOCKED;
}

/** The primary code: the low byte of the extended one that node:sqlite reports. */
function resultCode(error: unknown): number | undefined {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return code === 'ERR_SQLITE_ERROR' && typeof errcode === 'number' ? errcode & 0xff : undefined;
}
