import { CleoError, errorText, WireError } from '@cleocode/contracts';
import type { Dispatcher, Pool } from 'undici';
import { type Headers, header } from './hints.ts';

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  origin: string;
  /** With the query. */
  path: string;
  headers: Record<string, string>;
  body?: string;
  /** Blanked where the headers of the answer echo it, so that no error can show it. */
  secret?: string | undefined;
}

export interface HttpAnswer {
  status: number;
  headers: Headers;
  body: Buffer;
}

/** Milliseconds each part of an exchange may take, and the bytes an answer may have. */
export interface ExchangeLimits {
  connectMs: number;
  /** From the request to the end of the answer's headers. */
  headersMs: number;
  /** Between two pieces of the answer's body. */
  bodyMs: number;
  maxBytes: number;
}

type Phase = 'connect' | 'headers' | 'body';

const LIMIT_OF = { connect: 'connectMs', headers: 'headersMs', body: 'bodyMs' } as const;
const WHAT_IS_LATE = { connect: 'no connection', headers: 'no answer', body: 'no more of the answer' };

/**
 * One request, one answer, read whole. The timers are our own: those of the client are up to a second late. Whatever
 * fails is a `CleoError` with `details.phase`, or the reason of `signal`; nothing was sent when the phase is `connect`.
 * The body is always consumed, or its connection destroyed.
 */
export function exchange(
  pool: Pool,
  { secret, ...request }: HttpRequest,
  limits: ExchangeLimits,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const answer = { status: 0, headers: {} as Headers };
  const chunks: Buffer[] = [];
  let size = 0;
  let phase: Phase = 'connect';
  let controller: Dispatcher.DispatchController | undefined;
  let timer: NodeJS.Timeout | undefined;
  let over = false;

  const end = (settle: () => void) => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    settle();
  };
  const fail = (error: unknown) => {
    end(() => reject(error));
    controller?.abort(new Error('given up'));
  };
  const onAbort = () => fail(signal.reason);
  const enter = (next: Phase) => {
    phase = next;
    clearTimeout(timer);
    timer = setTimeout(() => fail(timedOut(request, next, limits[LIMIT_OF[next]])), limits[LIMIT_OF[next]]);
  };

  if (signal.aborted) return Promise.reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  enter('connect');
  pool.dispatch(
    { ...request, headersTimeout: 0, bodyTimeout: 0 },
    {
      onRequestStart(started) {
        controller = started;
        if (over) started.abort(new Error('given up'));
        else enter('headers');
      },
      onResponseStart(_, status, told) {
        if (status < 200) return;
        const headers = secret ? blanked(told, secret) : told;
        Object.assign(answer, { status, headers });
        if (Number(header(headers, 'content-length')) > limits.maxBytes)
          fail(tooLarge(request, limits.maxBytes));
        else enter('body');
      },
      onResponseData(_, chunk) {
        if (over) return;
        size += chunk.length;
        if (size > limits.maxBytes) return fail(tooLarge(request, limits.maxBytes));
        chunks.push(chunk);
        timer?.refresh();
      },
      onResponseEnd() {
        end(() => resolve({ ...answer, body: Buffer.concat(chunks, size) }));
      },
      onResponseError(_, error) {
        fail(asFailure(error, request, phase));
      },
    },
  );
  return promise;
}

/** A request in a message: without the query, which is long and says little. */
export function label({ method, origin, path }: Pick<HttpRequest, 'method' | 'origin' | 'path'>): string {
  return `${method} ${origin}${path.replace(/\?.*/, '')}`;
}

function blanked(headers: Headers, secret: string): Headers {
  const blank = (text: string) => text.replaceAll(secret, '***');
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(blank) : value && blank(value),
    ]),
  );
}

function timedOut(request: HttpRequest, phase: Phase, ms: number): CleoError {
  return new CleoError('E_TRANSPORT_TIMEOUT', `${label(request)}: ${WHAT_IS_LATE[phase]} within ${ms} ms`, {
    hint: 'Check that the backend is reachable and not overloaded, or raise the limit.',
    retryable: true,
    details: { phase, timeoutMs: ms },
  });
}

function tooLarge(request: HttpRequest, maxBytes: number): CleoError {
  return new CleoError(
    'E_TRANSPORT_TOO_LARGE',
    `${label(request)}: the answer has more than ${maxBytes} bytes`,
    {
      hint: 'Check that this is the address of a SignalDock server; or raise maxResponseBytes.',
      details: { phase: 'body', maxBytes },
    },
  );
}

/** What the HTTP client failed with, as an error of ours. */
function asFailure(error: Error, request: HttpRequest, phase: Phase): CleoError {
  const { code = error.name } = error as NodeJS.ErrnoException;
  const options = { details: { phase, code }, cause: error };
  if (code === 'UND_ERR_INVALID_ARG')
    return new WireError(
      'E_VALIDATION_INVALID_FORMAT',
      `${label(request)} cannot be sent: ${error.message}`,
      options,
    );
  if (code === 'UND_ERR_CONNECT_TIMEOUT')
    return new CleoError('E_TRANSPORT_TIMEOUT', `${label(request)}: ${error.message}`, {
      ...options,
      retryable: true,
    });
  if (code === 'UND_ERR_HEADERS_OVERFLOW')
    return new CleoError(
      'E_TRANSPORT_TOO_LARGE',
      `${label(request)}: the headers of the answer are too large`,
      {
        ...options,
        hint: 'Check that this is the address of a SignalDock server.',
      },
    );
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' || error.name === 'HTTPParserError')
    return notHttp(request, phase, error);
  return new CleoError(
    'E_TRANSPORT_UNREACHABLE',
    `${label(request)}: ${phase === 'connect' ? 'no connection' : 'the connection broke'}: ${errorText(error)} (${code})`,
    {
      ...options,
      hint: isTls(code)
        ? 'Check the certificate of the backend; give `ca` where it is not signed by a public authority.'
        : 'Check the address, and that the backend runs.',
      retryable: true,
    },
  );
}

function notHttp(request: HttpRequest, phase: Phase, error: Error): CleoError {
  // A parser error carries the bytes it stumbled over, and those may echo the request.
  if ('data' in error) error.data = undefined;
  return new CleoError(
    'E_TRANSPORT_INVALID',
    `${label(request)}: expected an HTTP answer: ${error.message}`,
    {
      hint: 'Check that this is the address of a SignalDock server, and what stands between.',
      retryable: true,
      details: { phase },
      cause: error,
    },
  );
}

function isTls(code: string): boolean {
  return /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(code);
}
