import {
  asWireError,
  type ErrorEnvelope,
  toErrorEnvelope,
  WIRE_ERRORS,
  WireError,
  type WireErrorCode,
} from '@cleocode/contracts';

/** What HTTP itself gives reason to refuse, and what is said then: never a part of the request. */
const REFUSALS = {
  400: ['E_VALIDATION_SCHEMA', 'The request cannot be read.', 'Send HTTP/1.1 with a JSON body in UTF-8.'],
  404: ['E_NOT_FOUND_RESOURCE', 'No such route.', 'GET /openapi.json lists the routes.'],
  405: ['E_VALIDATION_CONSTRAINT', 'This path takes other methods.', 'The header Allow names them.'],
  408: ['E_VALIDATION_CONSTRAINT', 'The request took too long to arrive.', 'Send it again, without a pause.'],
  413: ['E_VALIDATION_CONSTRAINT', 'The request body is too large.', 'Send less at once.'],
  414: ['E_VALIDATION_CONSTRAINT', 'The URL is too long.', 'Ask for less at once.'],
  415: ['E_VALIDATION_CONSTRAINT', 'The request body is no JSON.', 'Send Content-Type: application/json.'],
  417: ['E_VALIDATION_CONSTRAINT', 'The header Expect asks for too much.', 'Leave it out.'],
  431: ['E_VALIDATION_CONSTRAINT', 'The request headers are too large.', 'Send at most 16 KiB of them.'],
  503: ['E_INTERNAL_SERVICE', 'The server is closing.', 'Try again; it may be back soon.'],
} as const satisfies Record<number, [WireErrorCode, message: string, hint: string]>;

export type RefusalStatus = keyof typeof REFUSALS;

/** An error that is answered with another HTTP status than its code stands for, or with headers of its own. */
export class HttpError extends Error {
  readonly status: number;
  readonly error: WireError;
  readonly headers: Record<string, string>;

  constructor(status: number, error: WireError, headers: Record<string, string> = {}) {
    super(error.message, { cause: error });
    this.status = status;
    this.error = error;
    this.headers = headers;
  }
}

export interface ErrorAnswer {
  status: number;
  headers: Record<string, string>;
  body: ErrorEnvelope;
}

/** `data` in the envelope of a success. */
export function envelope(data: unknown): { success: true; data: unknown; timestamp: string } {
  return { success: true, data, timestamp: new Date().toISOString() };
}

export function refusal(status: RefusalStatus, headers: Record<string, string> = {}): HttpError {
  const [code, message, hint] = REFUSALS[status];
  const retry = status === 408 || status === 503;
  return new HttpError(
    status,
    new WireError(code, message, { hint, ...(retry && { retryable: true, retryAfterMs: 1_000 }) }),
    headers,
  );
}

/** Whatever was thrown, as an answer. Of what nobody foresaw the client learns nothing. */
export function errorAnswer(thrown: unknown): ErrorAnswer {
  const { status, error, headers } = asHttpError(thrown);
  const body = toErrorEnvelope(error);
  if (status === 503) body.error.category = 'TRANSIENT';
  const seconds = Math.ceil((error.retryAfterMs ?? 0) / 1000);
  return {
    status,
    headers: {
      ...(seconds > 0 && { 'retry-after': String(seconds) }),
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
      ...headers,
    },
    body,
  };
}

function asHttpError(thrown: unknown): HttpError {
  if (thrown instanceof HttpError) return thrown;
  const error = asWireError(thrown);
  if (error === thrown) return new HttpError(WIRE_ERRORS[error.code].status, error);
  // What fastify and node refuse by themselves says so by its status.
  const { statusCode } = (thrown ?? {}) as { statusCode?: unknown };
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return refusal(statusCode in REFUSALS ? (statusCode as RefusalStatus) : 400);
  return new HttpError(WIRE_ERRORS[error.code].status, error);
}
