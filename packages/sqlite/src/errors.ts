import { CleoError } from '@cleocode/contracts';

/** SQLite's primary result codes (sqlite.org/rescode.html) that call for an answer of their own. */
const PERM = 3;
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const PROTOCOL = 15;
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
KNOWN[PROTOCOL] = KNOWN[BUSY]!;
KNOWN[PERM] = KNOWN[READONLY]!;

const FILE_SYSTEM: Record<string, string> = {
  EACCES: 'E_STORAGE_READONLY',
  EPERM: 'E_STORAGE_READONLY',
  EROFS: 'E_STORAGE_READONLY',
  ENOSPC: 'E_STORAGE_FULL',
  EDQUOT: 'E_STORAGE_FULL',
  EIO: 'E_STORAGE_IO',
};

/**
 * What SQLite threw, as a `CleoError` that names the file. What is not a fault of the storage (a constraint, a mistake in
 * the SQL, an error of another kind) is returned as it is.
 */
export function storageError(error: unknown, file: string): unknown {
  const known = KNOWN[resultCode(error) ?? -1];
  if (!known) return error;
  return new CleoError(known.code, `${file}: ${known.what} (${(error as Error).message})`, {
    hint: known.hint,
    retryable: known.retryable,
    details: { file },
    cause: error,
  });
}

/** What opening a file threw: faults of the folder come from the file system, faults of the file from SQLite. */
export function openError(error: unknown, file: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return storageError(error, file);
  return new CleoError(
    FILE_SYSTEM[code ?? ''] ?? 'E_STORAGE_UNAVAILABLE',
    `${file}: ${(error as Error).message}`,
    {
      hint: 'Check that the folder exists, has space, and that this user may write it.',
      details: { file },
      cause: error,
    },
  );
}

/** Another connection is writing: worth another try in a moment. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === BUSY || code === LOCKED || code === PROTOCOL;
}

/** The primary code: the low byte of the extended one that node:sqlite reports. */
function resultCode(error: unknown): number | undefined {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return code === 'ERR_SQLITE_ERROR' && typeof errcode === 'number' ? errcode & 0xff : undefined;
}
