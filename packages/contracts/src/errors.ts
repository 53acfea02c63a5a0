import { inspect } from 'node:util';
import { redact } from './redact.ts';

const brand = Symbol.for('@cleocode/error');

/** What an error may say beside its code and its message. */
export interface CleoErrorOptions {
  /** What to do next, as one sentence shown to a person. */
  hint?: string;
  /** The same request may succeed later without a change. Default `false`. */
  retryable?: boolean;
  /** Wait at least this long before a retry, in milliseconds. */
  retryAfterMs?: number;
  /** Structured facts for programs; never a secret. */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/**
 * The one error shape of the runtime: a stable `code` for programs, a `message` that names who is to blame,
 * a `hint` that says what to do next, and the original error as `cause`. Neither message nor hint holds a key: what looks
 * like one, and every {@link Secret} in use, is masked.
 *
 * Recognise it with {@link CleoError.is}, never with `instanceof`: two copies of this package may be loaded.
 */
export class CleoError extends Error {
  readonly [brand] = true;
  readonly code: string;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: string, message: string, options: CleoErrorOptions = {}) {
    super(redact(message), 'cause' in options ? { cause: options.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint === undefined ? undefined : redact(options.hint);
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details;
  }

  /** Whether `error` is a {@link CleoError} of any copy of this package, and of `code` when one is given. */
  static is(error: unknown, code?: string): error is CleoError {
    return (
      typeof error === 'object' &&
      error !== null &&
      brand in error &&
      (code === undefined || (error as { code?: unknown }).code === code)
    );
  }
}

/**
 * Thrown by a message handler to say that no retry can help: the message becomes a dead letter at once, with this
 * reason. Any other error is retried.
 */
export class PermanentError extends CleoError {
  constructor(message: string, options: CleoErrorOptions = {}) {
    super('E_PERMANENT', message, options);
  }
}

/** Something thrown, as text for a log or a journal, secrets masked: non-errors and errors of another realm included. */
export function errorText(error: unknown): string {
  return redact(textOf(error));
}

/** Whether a backend refused an agent's key, or what that key may do: asking again with it will not help. */
export function isAuthError(error: unknown): boolean {
  return CleoError.is(error) && error.code.startsWith('E_AUTH_');
}

function textOf(error: unknown): string {
  if (error instanceof Error) return error.message || error.name;
  if (typeof error === 'string') return error;
  const message = (error as { message?: unknown } | null | undefined)?.message;
  if (typeof message === 'string' && message) return message;
  try {
    return JSON.stringify(error) ?? String(error);
  } catch {
    return inspect(error, { depth: 0, breakLength: Number.POSITIVE_INFINITY });
  }
}
