import { CleoError } from './errors.ts';

/** Longer ones are taken for a mistake: no header may silence an agent for good. */
const CAP_MS = 15 * 60_000;

/**
 * Milliseconds that a `Retry-After` asks for, in seconds or as an HTTP date; at most 15 minutes, and `undefined` when it says
 * neither. `serverTime`: epoch milliseconds by the clock of whoever wrote the date.
 */
export function retryAfterMs(header: string | undefined, serverTime: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d+$/.test(text)) return capped(Number(text) * 1_000);
  // An HTTP date begins with the day of the week; `Date.parse` would take much else for a date.
  const at = /^[A-Z]/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : capped(at - serverTime);
}

/** Milliseconds that whoever failed asked to be left alone, at most 15 minutes; 0 when `error` does not say. */
export function pauseAskedBy(error: unknown): number {
  return CleoError.is(error) ? capped(error.retryAfterMs ?? 0) : 0;
}

function capped(ms: number): number {
  return Math.min(CAP_MS, Math.max(0, ms));
}
