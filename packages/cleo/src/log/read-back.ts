import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { LOG_FILES, rotated } from './files.ts';

const CHUNK = 64 * 1_024;
const NEWLINE = 0x0a;

export interface ReadBack {
  /** Oldest first. */
  lines: string[];
  /** Where a follower goes on: the file that is written, open, and the end of its last whole line. */
  at: { fd: number; offset: number } | undefined;
}

/** The last `count` lines of a log, over its rotated files, read from their ends. The caller closes `at.fd`. */
export function readBack(file: string, count: number): ReadBack {
  const parts: string[][] = [];
  const seen = new Set<number>();
  let missing = count;
  let at: ReadBack['at'];
  for (let back = 0; back < LOG_FILES && (missing > 0 || back === 0); back++) {
    const fd = openIfThere(rotated(file, back));
    if (fd === undefined) continue;
    const { ino } = fstatSync(fd);
    // Rotated since the one before it was opened.
    const known = seen.has(ino);
    seen.add(ino);
    const { lines, end } = known ? { lines: [], end: 0 } : lastLines(fd, missing);
    parts.unshift(lines);
    missing -= lines.length;
    if (back === 0) at = { fd, offset: end };
    else closeSync(fd);
  }
  return { lines: parts.flat(), at };
}

/** The last lines of one file, and the offset behind the last one. */
function lastLines(fd: number, count: number): { lines: string[]; end: number } {
  const { size } = fstatSync(fd);
  const chunks: Buffer[] = [];
  let newlines = 0;
  let start = size;
  // One more than the lines: what stands before the first newline may be half a line.
  while (start > 0 && newlines <= count) {
    const length = Math.min(CHUNK, start);
    const chunk = Buffer.alloc(length);
    readSync(fd, chunk, 0, length, start - length);
    for (const byte of chunk) if (byte === NEWLINE) newlines++;
    start -= length;
    chunks.unshift(chunk);
  }
  const whole = Buffer.concat(chunks);
  const behind = whole.lastIndexOf(NEWLINE) + 1;
  const lines = whole.toString('utf8', 0, behind).split('\n').slice(0, -1);
  return { lines: count === 0 ? [] : lines.slice(-count), end: start + behind };
}

export function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
