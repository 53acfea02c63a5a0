import { CleoError } from '@cleocode/contracts';

export function noIssuer(agentId: string): CleoError {
  return new CleoError('E_ROTATE_UNAVAILABLE', `the key of "${agentId}" cannot be rotated from here`, {
    hint: 'Give rotateKey an issuer, or open the store with one: it asks the backend for a new key.',
  });
}

export function notTaken(agentId: string, cause: unknown): CleoError {
  return new CleoError(
    'E_ROTATION_FAILED',
    `the backend refuses the key that it has just made for "${agentId}"`,
    {
      hint: 'Nothing: the old key stays in use, and the backend is asked again.',
      retryable: true,
      details: { agentId },
      cause,
    },
  );
}

export function notNew(agentId: string): CleoError {
  return new CleoError(
    'E_ROTATION_FAILED',
    `the backend was asked for a new key of "${agentId}" and answered none`,
    {
      hint: 'The old key stays in use. Check that this backend can rotate keys.',
      retryable: true,
      details: { agentId },
    },
  );
}

export function timedOut(what: string, ms: number): CleoError {
  return new CleoError('E_TRANSPORT_TIMEOUT', `${what} was not done within ${ms} ms`, {
    hint: 'Check that the backend is reachable. The rotation goes on where it was.',
    retryable: true,
    details: { timeoutMs: ms },
  });
}

export function busy(agentId: string, cause: unknown): CleoError {
  return new CleoError(
    'E_ROTATION_BUSY',
    `another process rotates the key of "${agentId}" and does not end`,
    {
      hint: 'Try again; if it stays, end the process that the details name.',
      retryable: true,
      details: { agentId, ...(CleoError.is(cause) && cause.details) },
      cause,
    },
  );
}
