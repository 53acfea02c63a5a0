import { CleoError, errorText, isLoopback } from '@cleocode/contracts';

const HINTS: Record<string, string> = {
  EADDRINUSE: 'Another server listens there: stop it, or choose another port; 0 picks a free one.',
  EACCES: 'Choose a port from 1024 on.',
  EADDRNOTAVAIL: 'Use 127.0.0.1 for this machine alone, or 0.0.0.0 for all of its addresses.',
};

/** Throws unless only this machine reaches `host`: plain http on a network shows keys and messages to whoever listens. */
export function refuseInsecure(host: string): void {
  if (isLoopback(host)) return;
  throw new CleoError(
    'E_LISTEN_INSECURE',
    `plain http on ${host} would show keys and messages to the network`,
    {
      hint: 'Give tls, or listen on 127.0.0.1 behind a proxy that has it; or set allowInsecure where nobody else can listen.',
      details: { host },
    },
  );
}

export function listenFailed(cause: unknown, host: string, port: number): CleoError {
  const { code = '' } = cause as NodeJS.ErrnoException;
  return new CleoError('E_LISTEN_FAILED', `cannot listen on port ${port} of ${host}: ${errorText(cause)}`, {
    hint: HINTS[code] ?? 'Check the host, the port and the certificate.',
    details: { host, port, ...(code && { code }) },
    cause,
  });
}
