import { retryAfterMs } from '@cleocode/contracts';

/** Headers as the HTTP client hands them over, names in lower case. */
export type Headers = Record<string, string | string[] | undefined>;

/** Longer ones are taken for a mistake: no header may silence an agent for good. */
const CAP_MS = 15 * 60_000;
/** A larger number of seconds is a point in time. */
const EPOCH_SECONDS = 1e9;

/** Milliseconds that the server asks to be left alone; absent when it does not say. */
export function askedMs(headers: Headers): number | undefined {
  return retryAfterMs(header(headers, 'retry-after'), serverTime(headers));
}

/** What is left of a rate limit, and for how many milliseconds that is true. */
export interface RateLimit {
  /** Requests in all; not every server tells. */
  limit: number | undefined;
  remaining: number;
  resetMs: number;
}

export function rateLimit(headers: Headers): RateLimit | undefined {
  const remaining = number(header(headers, 'x-ratelimit-remaining'));
  const reset = number(header(headers, 'x-ratelimit-reset'));
  if (remaining === undefined || reset === undefined) return undefined;
  const resetMs = reset > EPOCH_SECONDS ? reset * 1_000 - serverTime(headers) : reset * 1_000;
  return {
    limit: number(header(headers, 'x-ratelimit-limit')),
    remaining: Math.floor(remaining),
    resetMs: capped(resetMs),
  };
}

/** Epoch milliseconds by the server's clock where it tells, to the second; else by ours. */
export function serverTime(headers: Headers): number {
  return dateOf(headers) ?? Date.now();
}

/** Epoch milliseconds by the server's clock, to the second; `undefined` where it does not tell. */
export function dateOf(headers: Headers): number | undefined {
  const at = Date.parse(header(headers, 'date') ?? '');
  return Number.isNaN(at) ? undefined : at;
}

export function header(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value)?.trim();
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}

function capped(ms: number): number {
  return Math.min(CAP_MS, Math.max(0, ms));
}
