import type { Readable } from 'node:stream';
import {
  type CleoError,
  codeOfStatus,
  errorEnvelopeSchema,
  fromErrorEnvelope,
  retryAfterMs,
  type Secret,
  WireError,
} from '@cleocode/contracts';
import { label, noStream, notAStream } from './errors.ts';
import { excerptOf, get, type HttpAnswer } from './http.ts';
import { VERSION } from './version.ts';

export interface StreamRequest {
  url: URL;
  agentId: string;
  apiKey: Secret;
  /** Puts the key into the query instead of a header, for a server that reads it nowhere else. */
  authInQuery: boolean;
  /** The id after which the server is to go on. */
  lastEventId: string | undefined;
  ca: string | readonly string[] | undefined;
  /** Milliseconds until the headers of the answer must be there. */
  timeoutMs: number;
}

/** A stream that has begun. */
export interface OpenedStream {
  /** Where it is, without what the query may hold. */
  url: URL;
  body: Readable;
  /** Ends its connection. Resolves when nothing of it is left; never rejects. */
  close(): Promise<void>;
}

/** The server said that it has no stream for us now. */
const LEFT_MS = 60 * 60_000;
/** The server does not know the path, until it is another server. */
const UNKNOWN_MS = 10 * 60_000;
const UNKNOWN = [404, 405, 406, 410, 501];
const MAX_ERROR_BYTES = 64 * 1024;
const MAX_TEXT = 1_000;
/** Nothing of our own keys comes back out of an error, not even when a server echoes what it was sent. */
const ANY_KEY = /sk_(live|test)_[\w-]+/g;

/**
 * Asks for a stream. Whatever is not one rejects as a `CleoError` that says what came instead, and with `retryAfterMs` when it
 * is not worth asking earlier; or with the reason of `signal`.
 */
export async function openStream(request: StreamRequest, signal: AbortSignal): Promise<OpenedStream> {
  const { url, ca, timeoutMs } = request;
  const answer = await get({ url: addressOf(request), headers: headersOf(request), ca, timeoutMs }, signal);
  if (answer.status === 200 && isStream(answer)) return { url, body: answer.body, close: answer.close };
  try {
    throw await failureOf(answer, request);
  } finally {
    await answer.close();
  }
}

function addressOf({ url, authInQuery, apiKey, agentId }: StreamRequest): URL {
  if (!authInQuery) return url;
  const address = new URL(url);
  address.searchParams.set('token', apiKey.reveal());
  address.searchParams.set('agent_id', agentId);
  return address;
}

function headersOf({ authInQuery, apiKey, agentId, lastEventId }: StreamRequest): Record<string, string> {
  return {
    accept: 'text/event-stream',
    // A stream that is packed arrives in lumps.
    'accept-encoding': 'identity',
    'cache-control': 'no-cache',
    'user-agent': `cleo-runtime/${VERSION}`,
    ...(!authInQuery && { authorization: `Bearer ${apiKey.reveal()}`, 'x-agent-id': agentId }),
    // As UTF-8, which a header carries byte by byte.
    ...(lastEventId && { 'last-event-id': Buffer.from(lastEventId).toString('latin1') }),
  };
}

function isStream({ header }: HttpAnswer): boolean {
  const packed = header('content-encoding') ?? 'identity';
  return /^text\/event-stream\s*(;|$)/i.test(header('content-type') ?? '') && packed === 'identity';
}

async function failureOf(answer: HttpAnswer, { url, apiKey, timeoutMs }: StreamRequest): Promise<CleoError> {
  const { status, header } = answer;
  if (status === 204) return noStream(url, status, LEFT_MS);
  if (UNKNOWN.includes(status)) return noStream(url, status, UNKNOWN_MS);
  if (status < 400) return notAStream(url, whatInstead(answer));
  const text = await excerptOf(answer, MAX_ERROR_BYTES, timeoutMs);
  const now = Date.parse(header('date') ?? '') || Date.now();
  const asked = retryAfterMs(header('retry-after'), now) ?? 0;
  const said = saidBy(text.replaceAll(apiKey.reveal() || '***', '***').replace(ANY_KEY, '***'), status);
  const options = {
    retryable: true,
    retryAfterMs: Math.max(asked, said?.retryAfterMs ?? 0),
    details: { ...said?.details, status },
  };
  return new WireError(
    said?.code ?? codeOfStatus(status),
    `${label(url)}: ${said?.message ?? `status ${status}`}`,
    said?.hint === undefined ? options : { ...options, hint: said.hint },
  );
}

function whatInstead({ status, header }: HttpAnswer): string {
  if (status !== 200) return `status ${status}`;
  const packed = header('content-encoding') ?? 'identity';
  return plain(packed === 'identity' ? (header('content-type') ?? 'nothing') : `something in ${packed}`);
}

/** The error of the envelope that `text` is, with texts that may be shown. */
function saidBy(text: string, status: number): WireError | undefined {
  const envelope = errorEnvelopeSchema.safeParse(parsed(text)).data;
  if (!envelope) return undefined;
  const { message, hint } = envelope.error;
  return fromErrorEnvelope(status, {
    ...envelope,
    error: { ...envelope.error, message: plain(message), ...(hint !== undefined && { hint: plain(hint) }) },
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // No JSON text is `undefined`.
  }
}

/** Without what would move a cursor or turn a line around, and not endless. */
function plain(text: string): string {
  return text
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_TEXT);
}
