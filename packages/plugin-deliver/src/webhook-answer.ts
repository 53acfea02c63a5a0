import { CleoError, PermanentError, redact, retryAfterMs } from '@cleocode/contracts';
import { visible } from './message-line.ts';

/** How a webhook was answered, its redirects followed. */
export interface WebhookAnswer {
  /** Scheme, host and port: a path or a query may be a secret. */
  origin: string;
  status: number;
  header(name: string): string | undefined;
  /** The beginning of the body; empty when nobody asked for it. */
  text: string;
  /** There was more than is in `text`. */
  truncated: boolean;
}

/** What the other side says may be tried again, though it is the request's fault by its number. */
const NOT_YET = [408, 409, 425, 429];
const EXCERPT = 200;

/** Nothing for a message that was taken, else the error that says what to do with it. */
export function throwUnlessTaken(answer: WebhookAnswer): void {
  const { origin, status } = answer;
  if (status >= 200 && status < 300) return;
  const details = { origin, status };
  const because = excerptOf(answer.text);
  if (status >= 400 && status < 500 && !NOT_YET.includes(status))
    throw new PermanentError(`webhook: ${origin} refused the message (status ${status})${because}`, {
      hint: 'When the receiver is mended, replay the dead letter.',
      details,
    });
  const pause = retryAfterMs(answer.header('retry-after'), timeOf(answer));
  throw new CleoError('E_WEBHOOK_FAILED', `webhook: ${origin} answered with status ${status}${because}`, {
    hint: 'Answer 2xx when the message is handled, 4xx when no retry can help.',
    retryable: true,
    ...(pause !== undefined && { retryAfterMs: pause }),
    details,
  });
}

/** The reply in the answer to a message that was taken; or why there is none although the answer says something. */
export function replyIn({ header, text, truncated }: WebhookAnswer): { reply?: string; problem?: string } {
  if (text.trim() === '') return {};
  const [type = ''] = (header('content-type') ?? '').toLowerCase().split(';', 1);
  if (type.trim() === 'text/plain') return textReply(text);
  if (!/^application\/(.+\+)?json$/.test(type.trim()))
    return {
      problem: `it is neither text/plain nor JSON, but ${visible(type).slice(0, 100) || 'of no type'}`,
    };
  if (truncated) return { problem: 'its JSON has more than 1 MiB' };
  return jsonReply(text);
}

function textReply(text: string): { reply?: string } {
  const reply = text.replace(/\r?\n$/, '');
  return reply === '' ? {} : { reply };
}

function jsonReply(text: string): { reply?: string; problem?: string } {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return { problem: 'it says that it is JSON, and is not' };
  }
  const { reply, content } = Object(answer) as { reply?: unknown; content?: unknown };
  const said = reply ?? content;
  if (said === undefined || said === null || said === '') return {};
  return typeof said === 'string' ? { reply: said } : { problem: 'its "reply" is not a string' };
}

/** The first words of a body, as one line without secrets: it may echo the request. */
function excerptOf(body: string): string {
  const words = visible(redact(body).replaceAll(/\s+/g, ' ').trim());
  return words && `: ${words.length > EXCERPT ? `${words.slice(0, EXCERPT)}…` : words}`;
}

/** Epoch milliseconds by the clock of the other side, where it tells. */
function timeOf(answer: WebhookAnswer): number {
  const at = Date.parse(answer.header('date') ?? '');
  return Number.isNaN(at) ? Date.now() : at;
}
