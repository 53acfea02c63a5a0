import type { MessageRow } from './messages.ts';

/** A page ends here even when its limit allows more: 200 messages of 1 MiB would hold the event loop and the memory. */
const MAX_PAGE_CHARACTERS = 8 * 1024 * 1024;

/** The rows up to the one that fills the page, and at least one; `cut` when it left some. */
export function takePage(rows: Iterable<MessageRow>): { page: MessageRow[]; cut: boolean } {
  const page: MessageRow[] = [];
  let characters = 0;
  for (const row of rows) {
    if (characters >= MAX_PAGE_CHARACTERS) return { page, cut: true };
    page.push(row);
    characters += row.content.length;
  }
  return { page, cut: false };
}
