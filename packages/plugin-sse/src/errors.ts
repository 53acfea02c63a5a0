import { CleoError, errorText } from '@cleocode/contracts';

/** A request in a message: without its query, which may hold a key. */
export function label({ origin, pathname }: URL): string {
  return `GET ${origin}${pathname}`;
}

export function streamEnded(url: URL): CleoError {
  return new CleoError('E_STREAM_ENDED', `${label(url)}: the server ended the stream`, {
    hint: 'Nothing to do: it is opened again, and messages are polled meanwhile.',
    retryable: true,
  });
}

export function streamSilent(url: URL, ms: number): CleoError {
  return new CleoError('E_STREAM_SILENT', `${label(url)}: the stream brought nothing for ${ms} ms`, {
    hint: 'Nothing to do: it is opened again. If it stays, look at what stands between here and the server.',
    retryable: true,
  });
}

/** The stream was there while this process was not. */
export function stoodStill(ms: number): CleoError {
  return new CleoError('E_STREAM_SILENT', `this process stood still for ${ms} ms`, {
    hint: 'Nothing to do: the stream is opened again. If it happens often, look for a handler that blocks.',
    retryable: true,
  });
}

export function streamBuffered(url: URL, ms: number): CleoError {
  return new CleoError(
    'E_STREAM_BUFFERED',
    `${label(url)}: the stream is open and its first bytes have not come within ${ms} ms`,
    {
      hint: 'A proxy seems to collect the answer: turn its buffering off for this path. Messages are polled meanwhile.',
      retryable: true,
    },
  );
}

/** `retryAfterMs`: when it is worth another look. */
export function noStream(url: URL, status: number, retryAfterMs: number): CleoError {
  return new CleoError('E_STREAM_UNAVAILABLE', `${label(url)}: no stream here (status ${status})`, {
    hint: 'Messages are polled. If the server has a stream at another path, set `endpoint`.',
    retryable: true,
    retryAfterMs,
    details: { status },
  });
}

export function notAStream(url: URL, what: string): CleoError {
  return new CleoError('E_TRANSPORT_INVALID', `${label(url)}: expected text/event-stream, not ${what}`, {
    hint: 'Check that this is the address of a SignalDock server, and what stands between.',
    retryable: true,
  });
}

export function frameTooLarge(url: URL, chars: number): CleoError {
  return new CleoError('E_TRANSPORT_TOO_LARGE', `${label(url)}: an event has more than ${chars} characters`, {
    hint: 'Check that this is the address of a SignalDock server. A message that is too large here is polled.',
    retryable: true,
  });
}

export function redirectRefused(url: URL, what: string): CleoError {
  return new CleoError('E_TRANSPORT_REDIRECT', `${label(url)} is redirected ${what}`, {
    hint: 'If the backend has moved, give its new address: the key is not sent to another origin by itself.',
    retryable: true,
  });
}

export function timedOut(url: URL, ms: number): CleoError {
  return new CleoError('E_TRANSPORT_TIMEOUT', `${label(url)}: no answer within ${ms} ms`, {
    hint: 'Check that the backend is reachable.',
    retryable: true,
  });
}

export function unreachable(url: URL, cause: unknown): CleoError {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  // A parser error carries the bytes it stumbled over, and those may echo the request.
  if (cause instanceof Error && 'data' in cause) cause.data = undefined;
  const what = code === undefined ? errorText(cause) : `${errorText(cause)} (${code})`;
  return new CleoError('E_TRANSPORT_UNREACHABLE', `${label(url)}: the connection broke: ${what}`, {
    hint: 'Check the address, and that the backend runs.',
    retryable: true,
    cause,
  });
}

export function unusable(what: string, hint: string): CleoError {
  return new CleoError('E_SSE_OPTIONS', `SseConnectionService: ${what}`, { hint });
}

export function unreadable(fault: string): CleoError {
  return new CleoError('E_STREAM_UNREADABLE', `an event of the stream cannot be read: ${fault}`, {
    hint: 'Nothing is lost: what it told is fetched. Check that the stream comes from a SignalDock server.',
  });
}
