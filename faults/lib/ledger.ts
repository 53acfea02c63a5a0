import { deepEqual } from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';

export interface LedgerLine {
  event: 'start' | 'end';
  id: string;
  attempt: number;
  /** What brought it: `poll`, `push`, or `sse`, which also fetches what its stream has missed. */
  source: string;
  thread: string;
  content: string;
  at?: number;
}

/** What the handler wrote down, read the way an outsider would. */
export class Ledger {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  lines(): LedgerLine[] {
    if (!existsSync(this.file)) return [];
    const lines = readFileSync(this.file, 'utf8').split('\n');
    // A kill may cut the last line.
    return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as LedgerLine);
  }

  starts(): LedgerLine[] {
    return this.lines().filter(({ event }) => event === 'start');
  }

  /** How often the handler was started for each message. */
  startsById(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { id } of this.starts()) counts.set(id, (counts.get(id) ?? 0) + 1);
    return counts;
  }

  handled(): Set<string> {
    return new Set(
      this.lines()
        .filter(({ event }) => event === 'end')
        .map(({ id }) => id),
    );
  }
}

/** No sent message is missing from what was handled. */
export function nothingLost(sent: Iterable<string>, handled: Set<string>): void {
  deepEqual(
    [...sent].filter((id) => !handled.has(id)),
    [],
    'lost',
  );
}

/** First starts inside each conversation came in the order of the counter that the sender put in the content. */
export function orderKept(starts: readonly LedgerLine[]): void {
  const last = new Map<string, number>();
  const seen = new Set<string>();
  const inversions: string[] = [];
  for (const { id, thread, content } of starts) {
    if (seen.has(id)) continue;
    seen.add(id);
    const number = Number(/#(\d+)/.exec(content)?.[1]);
    if (number < (last.get(thread) ?? -1)) inversions.push(`${thread}: ${number} after ${last.get(thread)}`);
    last.set(thread, number);
  }
  deepEqual(inversions, [], 'inversions');
}
