import { CleoError, errorText, WireError } from '@cleocode/contracts';
import type { HttpRequest } from './exchange.ts';

/** How far an exchange had come. Nothing was sent in `connect`. */
export type Phase = 'connect' | 'headers' | 'body';

const WHAT_IS_LATE = { connect: 'no connection', headers: 'no answer', body: 'no more of the answer' };

/** A request in a message: without the query, which is long and says little. */
export function label({ method, origin, path }: Pick<HttpRequest, 'method' | 'origin' | 'path'>): string {
  return `${method} ${origin}${path.replace(/\?.*/, '')}`;
}

export function timedOut(request: HttpRequest, phase: Phase, ms: number): CleoError {
  return new CleoError('E_TRANSPORT_TIMEOUT', `${label(request)}: ${WHAT_IS_LATE[phase]} within ${ms} ms`, {
    hint: 'Check that the backend is reachable and not overloaded, or raise the limit.',
    retryable: true,
    details: { phase, timeoutMs: ms },
  });
}

export function tooLarge(request: HttpRequest, maxBytes: number): CleoError {
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
export function asFailure(error: Error, request: HttpRequest, phase: Phase): CleoError {
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
