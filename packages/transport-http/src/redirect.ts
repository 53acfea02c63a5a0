import { CleoError } from '@cleocode/contracts';
import type { Pool } from 'undici';
import { type ExchangeLimits, exchange, type HttpAnswer, type HttpRequest } from './exchange.ts';
import { label } from './failures.ts';
import { header } from './hints.ts';

const MOST = 3;

/**
 * {@link exchange}, and after it to where the answer points: at most three times, and never to another origin, which would
 * be given the key.
 */
export async function follow(
  pool: Pool,
  request: HttpRequest,
  limits: ExchangeLimits,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  let next = request;
  for (let hops = 0; ; hops += 1) {
    const answer = await exchange(pool, next, limits, signal);
    if (![301, 302, 303, 307, 308].includes(answer.status)) return answer;
    if (hops === MOST) throw refused(next, `more than ${MOST} times in a row`);
    // The others ask for a GET instead, which would lose what was sent.
    if (next.method !== 'GET' && answer.status < 307) throw refused(next, `with status ${answer.status}`);
    next = { ...next, path: target(header(answer.headers, 'location'), next) };
  }
}

function target(location: string | undefined, from: HttpRequest): string {
  if (location === undefined) throw refused(from, 'without saying where to');
  const url = URL.parse(location, from.origin + from.path);
  if (!url || url.username || url.password) throw refused(from, 'to an address that is none');
  if (url.origin !== from.origin) throw refused(from, `to ${url.origin}`);
  return url.pathname + url.search;
}

function refused(request: HttpRequest, what: string): CleoError {
  return new CleoError('E_TRANSPORT_REDIRECT', `${label(request)} is redirected ${what}`, {
    hint: 'If the backend has moved, give its new address: the key is not sent to another origin by itself.',
    details: { phase: 'headers' },
  });
}
