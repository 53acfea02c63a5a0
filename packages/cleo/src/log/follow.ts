import { closeSync, fstatSync, readSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOG_FILES, rotated } from './files.ts';
import { openIfThere, type ReadBack } from './read-back.ts';

const LOOK_MS = 200;
const CHUNK = 64 * 1_024;

/**
 * Hands over each line that is written from `at` on, until `signal`: through rotations, and whether the file is there yet or made
 * anew. Looks instead of being told: what tells of changes to files does not on every file system.
 */
export async function follow(
  file: string,
  at: ReadBack['at'],
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let reader = at && new Reader(at.fd, at.offset);
  try {
    for (; !signal.aborted; await sleep(LOOK_MS, undefined, { signal }).catch(() => {})) {
      if (reader && !isStill(file, reader)) {
        reader.read(onLine);
        // In the order they were written; none when the last one read has been removed.
        for (let back = rotationsSince(file, reader) - 1; back > 0; back--)
          readWhole(rotated(file, back), onLine);
        reader.close();
        reader = undefined;
      }
      if (!reader) {
        const fd = openIfThere(file);
        if (fd !== undefined) reader = new Reader(fd, 0);
      }
      reader?.read(onLine);
    }
  } finally {
    reader?.close();
  }
}

/** Reads lines from one open file, wherever it is moved to. */
class Reader {
  readonly ino: number;
  readonly #fd: number;
  #offset: number;
  #rest = Buffer.alloc(0);

  constructor(fd: number, offset: number) {
    this.#fd = fd;
    this.#offset = offset;
    this.ino = fstatSync(fd).ino;
  }

  read(onLine: (line: string) => void): void {
    const chunk = Buffer.alloc(CHUNK);
    // Somebody emptied it.
    if (fstatSync(this.#fd).size < this.#offset) this.#offset = 0;
    for (;;) {
      const length = readSync(this.#fd, chunk, 0, CHUNK, this.#offset);
      if (length === 0) return;
      this.#offset += length;
      const all = Buffer.concat([this.#rest, chunk.subarray(0, length)]);
      const behind = all.lastIndexOf(0x0a) + 1;
      this.#rest = all.subarray(behind);
      if (behind > 0) for (const line of all.toString('utf8', 0, behind - 1).split('\n')) onLine(line);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function isStill(file: string, { ino }: Reader): boolean {
  return inode(file) === ino;
}

/** How many rotations ago the file was written to that is open. */
function rotationsSince(file: string, { ino }: Reader): number {
  for (let back = 1; back < LOG_FILES; back++) if (inode(rotated(file, back)) === ino) return back;
  return 0;
}

function inode(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

function readWhole(path: string, onLine: (line: string) => void): void {
  const fd = openIfThere(path);
  if (fd === undefined) return;
  const reader = new Reader(fd, 0);
  reader.read(onLine);
  reader.close();
}
