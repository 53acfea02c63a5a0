import { stripVTControlCharacters } from 'node:util';

/** Control characters except tab and newline, and those that turn the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Somebody else's text, fit for a terminal: it can neither move the cursor, recolour, nor pretend to be another line. */
export function printable(text: string): string {
  return stripVTControlCharacters(text.replaceAll('\r\n', '\n')).replace(CONTROLS, '\ufffd');
}

/** The same on lines that follow a first one: each further line indented, and cut after `max` characters. */
export function excerpt(text: string, max = Number.POSITIVE_INFINITY): string {
  const whole = printable(text.length > max ? `${text.slice(0, max).trimEnd()}…` : text);
  return whole.trimEnd().replaceAll('\n', '\n  ');
}

/** Rows as columns wide enough for their longest cell; the last column is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows
    .map((row) =>
      row.map((cell, column) => (column < row.length - 1 ? cell.padEnd(widths[column]!) : cell)).join('  '),
    )
    .join('\n');
}
