import { CleoError, type ConduitMessage, errorText, type IntakeSource } from '@cleocode/contracts';

export function handlerFailed(
  message: ConduitMessage,
  attempt: number,
  maxAttempts: number,
  last: boolean,
  cause: unknown,
): CleoError {
  return new CleoError(
    last ? 'E_MESSAGE_GIVEN_UP' : 'E_HANDLER_FAILED',
    `message ${message.id} from ${message.from}, attempt ${attempt} of ${maxAttempts}: ${errorText(cause)}`,
    {
      hint: last
        ? 'It stays unread at the backend and is tried again after a restart.'
        : 'It is tried again with the handlers that failed.',
      details: { messageId: message.id, attempt },
      cause,
    },
  );
}

export function handlerTimeout(ms: number): CleoError {
  return new CleoError('E_HANDLER_TIMEOUT', `the message handler did not settle within ${ms} ms`, {
    hint: 'Make it watch the signal it is given, or raise handlerTimeoutMs.',
  });
}

export function notWhole({ name }: IntakeSource): CleoError {
  return new CleoError(
    'E_MESSAGE_INVALID',
    `a message without id, sender or text content is set aside (${name})`,
    { hint: 'The transport is at fault: it must answer whole messages.' },
  );
}

export function ackRefused(messageId: string, cause: unknown): CleoError {
  return new CleoError(
    'E_ACK_REFUSED',
    `the backend does not take the ack of message ${messageId}: ${errorText(cause)}`,
    {
      hint: 'The message was handled. It stays unread at the backend, and is handled again after a restart.',
      details: { messageId },
      cause,
    },
  );
}

export function listenerThrew(name: string, listener: string, thrown: unknown): CleoError {
  return new CleoError('E_INTAKE_LISTENER', `${name}: ${listener} threw: ${errorText(thrown)}`, {
    hint: `Keep ${listener} from throwing.`,
    cause: thrown,
  });
}

export function unusable(name: string, what: string, hint: string): CleoError {
  return new CleoError('E_INTAKE_OPTIONS', `${name}: ${what}`, { hint });
}
