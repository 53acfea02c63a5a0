import {
  CleoError,
  codeOfStatus,
  type ErrorEnvelope,
  errorEnvelopeSchema,
  fromErrorEnvelope,
  WireError,
} from '@cleocode/contracts';
import type { z } from 'zod';
import type { HttpAnswer } from './exchange.ts';
import { askedMs, header } from './hints.ts';

const EXCERPT = 200;
const MAX_TEXT = 1_000;
/** What a key looks like, in what a server says. */
const ANY_KEY = /sk_(live|test)_[\w-]+/g;

/** The error that an answer is, or `undefined` for a success. `apiKey`: what the request authenticated with. */
export function failureOf(answer: HttpAnswer, what: string, apiKey?: string): CleoError | undefined {
  const { status, headers } = answer;
  if (status >= 200 && status < 300) return undefined;
  const text = redacted(answer.body.toString(), apiKey);
  const envelope = isJson(answer) ? errorEnvelopeSchema.safeParse(parsed(text)).data : undefined;
  const asked = askedMs(headers);
  if (envelope) return fromErrorEnvelope(status, readable(envelope, asked));
  const says = excerpt(text);
  const message = `${what} was answered with status ${status}${says && `: ${says}`}`;
  const details = { status };
  if (status < 400) return invalid(message, details);
  return new WireError(codeOfStatus(status), message, {
    hint: 'It was no answer of a SignalDock server: check the address, and what stands between.',
    ...([408, 425].includes(status) && { retryable: true }),
    ...(asked !== undefined && { retryAfterMs: asked }),
    details,
  });
}

/**
 * What a successful answer carries, by `schema`: the `data` of its envelope, or a bare object. An empty answer carries
 * `undefined`. Throws `E_TRANSPORT_INVALID`, or the error of an envelope that is one.
 */
export function dataOf<S extends z.ZodType>(answer: HttpAnswer, what: string, schema: S): z.output<S> {
  const checked = schema.safeParse(answer.body.length === 0 ? undefined : payload(answer, what));
  if (checked.success) return checked.data;
  const faults = checked.error.issues
    .slice(0, 3)
    .map(({ path, message }) => `${['data', ...path.map(String)].join('.')}: ${message}`);
  throw invalid(`${what} was answered with something else: ${faults.join('; ')}`, { status: answer.status });
}

function payload(answer: HttpAnswer, what: string): unknown {
  const { status } = answer;
  const type = header(answer.headers, 'content-type') ?? 'none';
  const encoding = header(answer.headers, 'content-encoding') ?? 'identity';
  if (!isJson(answer)) throw invalid(`${what}: expected application/json, not ${excerpt(type)}`, { status });
  if (encoding !== 'identity')
    throw invalid(`${what}: expected no content encoding, not ${excerpt(encoding)}`, { status });
  const json = parsed(answer.body.toString());
  // The parser's own words quote the body, which may hold a new key.
  if (json === undefined)
    throw invalid(`${what}: expected JSON; the ${answer.body.length} bytes of the answer are none`, {
      status,
    });
  const envelope = errorEnvelopeSchema.safeParse(json);
  if (envelope.success) throw fromErrorEnvelope(status, readable(envelope.data, askedMs(answer.headers)));
  const { data, result } = (json ?? {}) as { data?: unknown; result?: unknown };
  return data ?? result ?? json;
}

function invalid(message: string, details: Record<string, unknown>): CleoError {
  return new CleoError('E_TRANSPORT_INVALID', message, {
    hint: 'Check that this is the address of a SignalDock server, and what stands between.',
    retryable: true,
    details,
  });
}

function isJson({ headers }: HttpAnswer): boolean {
  return /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(header(headers, 'content-type') ?? '');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // No JSON text is `undefined`.
  }
}

/** An envelope whose texts may be shown, with the longest of the delays that the answer names. */
function readable({ error, ...envelope }: ErrorEnvelope, asked = 0): ErrorEnvelope {
  const { retryAfterMs: camel, retry_after_ms: snake, message, hint, ...rest } = error;
  const delay = Math.max(camel ?? 0, snake ?? 0, asked);
  return {
    ...envelope,
    error: {
      ...rest,
      message: plain(message).slice(0, MAX_TEXT),
      ...(hint !== undefined && { hint: plain(hint).slice(0, MAX_TEXT) }),
      ...(delay > 0 && { retryAfterMs: delay }),
    },
  };
}

function redacted(text: string, apiKey: string | undefined): string {
  return (apiKey ? text.replaceAll(apiKey, '***') : text).replace(ANY_KEY, '***');
}

/** The beginning of what a stranger wrote, for a line of a log. */
function excerpt(text: string): string {
  const words = plain(text.slice(0, 10 * EXCERPT).replace(/<[^>]*>/g, ' '));
  return words.length > EXCERPT ? `${words.slice(0, EXCERPT)}…` : words;
}

/** Without what would move a cursor or turn a line around. */
function plain(text: string): string {
  return text.replace(/[\p{C}\s]+/gu, ' ').trim();
}
