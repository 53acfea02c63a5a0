import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { CleoError } from '@cleocode/contracts';
import envPaths from 'env-paths';

const KEY_BYTES = 32;

/** The user's data folder: `dataDir`, else `CLEO_DATA_DIR`, else the platform's, such as `~/.local/share/cleo`. */
export function resolveDataDir(dataDir?: string, env: NodeJS.ProcessEnv = process.env): string {
  return resolve(dataDir || env.CLEO_DATA_DIR || envPaths('cleo', { suffix: '' }).data);
}

/**
 * The secret that encrypts the credentials of this user on this machine: 32 random bytes in a file only they can read, kept
 * apart from the databases it opens. It is read for each use and not kept.
 */
export class MachineKey {
  readonly file: string;
  readonly #dir: string;

  constructor(dataDir: string) {
    this.#dir = dataDir;
    this.file = join(dataDir, 'machine-key');
  }

  /**
   * The key, or `undefined` when there is none yet. Throws `E_MACHINE_KEY_MODE` when others may read it and
   * `E_MACHINE_KEY_UNAVAILABLE` when it cannot be read or is damaged.
   */
  read(): Buffer | undefined {
    const found = this.#guard(() => readPrivate(this.file));
    if (!found) return undefined;
    const { mode, bytes } = found;
    if (process.platform !== 'win32' && mode & 0o077)
      throw new CleoError(
        'E_MACHINE_KEY_MODE',
        `${this.file}: other users may read the machine key (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`,
        { hint: `chmod 600 ${this.file}`, details: { file: this.file } },
      );
    if (bytes.length !== KEY_BYTES)
      throw new CleoError(
        'E_MACHINE_KEY_UNAVAILABLE',
        `${this.file}: damaged (${bytes.length} bytes instead of ${KEY_BYTES})`,
        { hint: 'Restore the file from a backup.', details: { file: this.file } },
      );
    return bytes;
  }

  /**
   * Makes the key unless another process is faster, and answers the one that counts. The file gets its name only when it
   * is whole and on disk, and a name that exists is never taken over: all who start at once read the same key.
   */
  create(): Buffer {
    this.#guard(() => {
      mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
      const temporary = `${this.file}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`;
      try {
        writeFileSync(temporary, randomBytes(KEY_BYTES), { mode: 0o600, flag: 'wx', flush: true });
        link(temporary, this.file);
      } finally {
        rmSync(temporary, { force: true });
      }
      syncFolder(this.#dir);
    });
    return this.read()!;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw new CleoError('E_MACHINE_KEY_UNAVAILABLE', `${this.file}: ${(error as Error).message}`, {
        hint: 'Check that this user may read and write the folder, or choose another with CLEO_DATA_DIR.',
        details: { file: this.file },
        cause: error,
      });
    }
  }
}

/** Mode and content from one open file, so that what was checked is what is used. */
function readPrivate(file: string): { mode: number; bytes: Buffer } | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return { mode: fstatSync(descriptor).mode, bytes: readFileSync(descriptor) };
  } finally {
    closeSync(descriptor);
  }
}

function link(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    // Another process has just put its key there.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** A new name is safe from a power cut only once its folder is synced; Windows has no such call. */
function syncFolder(dir: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(dir, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
