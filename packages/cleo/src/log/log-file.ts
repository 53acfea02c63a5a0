import {
  closeSync,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { CleoError, errorText } from '@cleocode/contracts';
import { LOG_FILES, rotated } from './files.ts';

/** Of the file that is written, and of each before it. */
const MAX_BYTES = 10 * 1_024 * 1_024;
/** How often the file is looked for under its name. */
const LOOK_MS = 1_000;

export interface LogFileOptions {
  maxBytes?: number;
  /** All of them, the one that is written among them. */
  files?: number;
  /** For tests of a disk that is full. */
  write?: typeof writeSync;
}

/**
 * Appends whole lines to a file, and begins a new one when it is full: the file becomes `.1`, what was `.1` becomes `.2`, and the
 * last one goes. A line is written at once, by one process; it stands in one of the files, uncut, or not at all.
 */
export class LogFile {
  readonly path: string;
  readonly #maxBytes: number;
  readonly #files: number;
  readonly #write: typeof writeSync;
  #fd: number;
  #size: number;
  /** A rotation that failed is tried again when the file has grown to this. */
  #rotateAt: number;
  #lookedAt = performance.now();

  /** Throws `E_LOG_UNWRITABLE`. */
  constructor(
    path: string,
    { maxBytes = MAX_BYTES, files = LOG_FILES, write = writeSync }: LogFileOptions = {},
  ) {
    this.path = path;
    this.#maxBytes = maxBytes;
    this.#rotateAt = maxBytes;
    this.#files = files;
    this.#write = write;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      this.#fd = opened(path);
      this.#size = fstatSync(this.#fd).size;
      // The machine may have gone down in the middle of a line.
      if (this.#size > 0 && lastByte(path, this.#size) !== 0x0a) this.#take(Buffer.from('\n'));
    } catch (cause) {
      throw unwritable(path, cause);
    }
  }

  /** Whether the disk took it. `text` is one line, without its end. */
  append(text: string): boolean {
    const line = Buffer.from(`${text}\n`);
    if (this.#size > 0 && this.#size + line.length > this.#rotateAt) this.#rotate();
    else this.#findAgain();
    return this.#take(line);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #take(line: Buffer): boolean {
    let taken = 0;
    try {
      while (taken < line.length) taken += this.#write(this.#fd, line, taken);
    } catch {
      // No half lines.
      if (taken > 0) truncate(this.#fd, this.#size);
      return false;
    }
    this.#size += line.length;
    return true;
  }

  /** Somebody may have moved or removed the file. */
  #findAgain(): void {
    const now = performance.now();
    if (now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    try {
      if (statSync(this.path, { throwIfNoEntry: false })?.ino === fstatSync(this.#fd).ino) return;
      this.#begin(opened(this.path));
    } catch {
      // It goes on where it is.
    }
  }

  #begin(fd: number): void {
    closeSync(this.#fd);
    this.#fd = fd;
    this.#size = fstatSync(fd).size;
    this.#rotateAt = this.#maxBytes;
  }

  #rotate(): void {
    try {
      for (let back = this.#files - 2; back > 0; back--)
        move(rotated(this.path, back), rotated(this.path, back + 1));
      renameSync(this.path, rotated(this.path, 1));
    } catch {
      this.#rotateAt = this.#size + this.#maxBytes / 10;
      return;
    }
    try {
      this.#begin(opened(this.path));
    } catch {
      // No room for a new file: the old one goes on, under its name.
      move(rotated(this.path, 1), this.path);
      this.#rotateAt = this.#size + this.#maxBytes / 10;
    }
  }
}

export function unwritable(path: string, cause: unknown): CleoError {
  return new CleoError('E_LOG_UNWRITABLE', `no log can be written to ${path}: ${errorText(cause)}`, {
    hint: 'Let this user write there, and see that the disk has room.',
    cause,
    details: { path },
  });
}

function opened(path: string): number {
  const fd = openSync(path, 'a', 0o600);
  fchmodSync(fd, 0o600);
  return fd;
}

function lastByte(path: string, size: number): number | undefined {
  const fd = openSync(path, 'r');
  try {
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, size - 1);
    return byte[0];
  } finally {
    closeSync(fd);
  }
}

function truncate(fd: number, size: number): void {
  try {
    ftruncateSync(fd, size);
  } catch {
    // The next line begins after half a one: the reader shows both as they are.
  }
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
