import { CleoError, errorText } from '@cleocode/contracts';

/** Whatever was thrown, as an error with a code. */
export function failure(agentId: string, error: unknown): CleoError {
  if (CleoError.is(error)) return error;
  return new CleoError('E_ROTATION_FAILED', `the key of "${agentId}" was not rotated: ${errorText(error)}`, {
    hint: 'The old key stays in use, and the rotation is tried again.',
    retryable: true,
    details: { agentId },
    cause: error,
  });
}

export function late(agentId: string, ms: number): CleoError {
  return new CleoError('E_ROTATION_FAILED', `the registry did not answer for "${agentId}" within ${ms} ms`, {
    hint: 'The old key stays in use, and the rotation is tried again.',
    retryable: true,
    details: { agentId, timeoutMs: ms },
  });
}

export function unusable(what: string, hint: string): CleoError {
  return new CleoError('E_ROTATION_OPTIONS', `KeyRotationService: ${what}`, { hint });
}

export function stopping(): CleoError {
  return new CleoError(
    'E_ROTATION_STATE',
    'KeyRotationService: start() was called while stop() is under way',
    { hint: 'Await stop() first.' },
  );
}

export function listenerThrew(name: string, thrown: unknown): CleoError {
  return new CleoError('E_ROTATION_STATE', `KeyRotationService: ${name} threw: ${errorText(thrown)}`, {
    hint: `Keep ${name} from throwing.`,
    cause: thrown,
  });
}
