import { stripVTControlCharacters } from 'node:util';
import type { Output } from './output.ts';

/** What is over sooner needs no words. */
const QUIET_MS = 500;
const TICK_MS = 1_000;
const CLEAR = '\r\x1b[K';

/**
 * Runs `work`. A person at a terminal who has to wait is told what for, in a line on stderr that is gone when it is over; nobody
 * else is told anything.
 */
export async function during<T>(output: Output, what: string, work: () => Promise<T>): Promise<T> {
  if (output.json || !process.stderr.isTTY) return work();
  const began = performance.now();
  let shown = false;
  const clear = (): void => {
    if (shown) process.stderr.write(CLEAR);
    shown = false;
  };
  const show = (): void => {
    const seconds = Math.floor((performance.now() - began) / 1_000);
    const text = `… ${what}${seconds > 0 ? ` (${seconds} s)` : ''}`;
    process.stderr.write(`${CLEAR}${cut(text, process.stderr.columns - 1)}`);
    shown = true;
  };
  let ticking: NodeJS.Timeout | undefined;
  const quiet = setTimeout(() => {
    show();
    ticking = setInterval(show, TICK_MS);
  }, QUIET_MS);
  output.beforeNote = clear;
  process.once('exit', clear);
  try {
    return await work();
  } finally {
    clearTimeout(quiet);
    clearInterval(ticking);
    process.off('exit', clear);
    output.beforeNote = undefined;
    clear();
  }
}

/** In one row: a line that wraps could not be taken back. */
function cut(text: string, columns: number): string {
  const plain = stripVTControlCharacters(text).replaceAll('\n', ' ');
  return plain.length > columns ? `${plain.slice(0, Math.max(columns - 1, 0))}…` : plain;
}
