import type { Readable } from 'node:stream';
import { CleoError, withDeadline } from '@cleocode/contracts';
import { redirectRefused, timedOut, unreachable } from './errors.ts';

export interface HttpRequest {
  url: URL;
  headers: Record<string, string>;
  /** PEM certificates to trust instead of the public ones. */
  ca?: string | readonly string[] | undefined;
  /** Milliseconds until the headers of the answer must be there. */
  timeoutMs: number;
}

/** An answer whose body is still to be read. */
export interface HttpAnswer {
  status: number;
  header(name: string): string | undefined;
  body: Readable;
  /** Ends its connection. Resolves when nothing of it is left; never rejects. */
  close(): Promise<void>;
}

const MAX_HEADER_BYTES = 16 * 1024;
const MOST_REDIRECTS = 3;

/**
 * A GET on a connection of its own, and after it to where the answer points: at most three times, and never to another origin,
 * which would be given the key.
 */
export async function get(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
  for (let hops = 0, { url } = request; ; hops += 1) {
    const answer = await exchange({ ...request, url }, signal);
    if (![301, 302, 303, 307, 308].includes(answer.status)) return answer;
    await answer.close();
    if (hops === MOST_REDIRECTS) throw redirectRefused(url, `more than ${MOST_REDIRECTS} times in a row`);
    url = target(url, answer.header('location'));
  }
}

/** At most `limit` bytes of a body, and no more than comes within `ms` milliseconds. Never rejects. */
export async function excerptOf({ body }: HttpAnswer, limit: number, ms: number): Promise<string> {
  const chunks: Buffer[] = [];
  const read = async () => {
    let size = 0;
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= limit) return;
    }
  };
  // Half an answer says as much as there is to know.
  await withDeadline(read(), ms, () => undefined).catch(() => {});
  return Buffer.concat(chunks).subarray(0, limit).toString();
}

async function exchange(
  { url, headers, ca, timeoutMs }: HttpRequest,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  // Loaded here, not above: it takes 100 ms, and who never connects must not pay them.
  const { Client } = await import('undici');
  signal.throwIfAborted();
  const client = new Client(url.origin, {
    allowH2: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    connect: { timeout: timeoutMs, ...(ca !== undefined && { ca: [ca].flat() as string[] }) },
  });
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= client.destroy();
    return closing;
  };
  try {
    const late = () => timedOut(url, timeoutMs);
    // No timers of the client: one for the headers is here, and a quiet stream is no failure.
    const asked = client.request({
      method: 'GET',
      path: url.pathname + url.search,
      headers,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const {
      statusCode: status,
      headers: answered,
      body,
    } = await withDeadline(asked, timeoutMs, late, signal);
    // Whoever reads it hears of it; when nobody does, it was closed on purpose.
    body.on('error', () => {});
    return {
      status,
      header: (name) => [answered[name]].flat()[0]?.trim(),
      body,
      close,
    };
  } catch (error) {
    await close();
    if (signal.aborted) throw signal.reason;
    throw CleoError.is(error) ? error : unreachable(url, error);
  }
}

function target(from: URL, location: string | undefined): URL {
  if (location === undefined) throw redirectRefused(from, 'without saying where to');
  const url = URL.parse(location, from);
  if (!url || url.username || url.password) throw redirectRefused(from, 'to an address that is none');
  if (url.origin !== from.origin) throw redirectRefused(from, `to ${url.origin}`);
  return url;
}
