import { type Database, storageError } from '@cleocode/sqlite';
import type { MessageRow } from './messages.ts';

/** A page ends here even when its limit allows more: 200 messages of 1 MiB would hold the event loop and the memory. */
const MAX_PAGE_CHARACTERS = 8 * 1024 * 1024;

export interface Page {
  rows: MessageRow[];
  /** It is full before its rows have ended. */
  cut: boolean;
}

/** The rows up to the one that fills the page, and at least one. */
export function takePage(rows: Iterable<MessageRow>): Page {
  const page: Page = { rows: [], cut: false };
  let characters = 0;
  for (const row of rows) {
    if (characters >= MAX_PAGE_CHARACTERS) return { ...page, cut: true };
    page.rows.push(row);
    characters += row.content.length;
  }
  return page;
}

/** {@link takePage} of a query. */
export function readPage(
  db: Database,
  sql: string,
  parameters: Record<string, string | number | null>,
): Page {
  try {
    return takePage(db.sql(sql).iterate(parameters) as Iterable<unknown> as Iterable<MessageRow>);
  } catch (error) {
    throw storageError(error, db.file);
  }
}
