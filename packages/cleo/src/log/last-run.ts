import { closeSync } from 'node:fs';
import { parseEntry } from './describe.ts';
import type { LogEntry } from './entry.ts';
import { readBack } from './read-back.ts';

/** Plenty between the end of a run and what a process may still say after it. */
const LOOK_BACK = 200;

const ENDS = new Set<LogEntry['event']>(['stopped', 'not-started', 'exited']);

/** When the run before was heard of last, if it ended without a word: killed, or the machine went down. */
export function endOfLastRun(log: string): string | undefined {
  const { lines, at } = readBack(log, LOOK_BACK);
  if (at) closeSync(at.fd);
  let last: string | undefined;
  for (const line of lines.toReversed()) {
    const entry = parseEntry(line);
    last ??= entry.time;
    if (ENDS.has(entry.event)) return undefined;
    if (entry.event === 'starting') return last;
  }
  return last;
}
