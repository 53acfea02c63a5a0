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

export function notWhole(source: IntakeSource): CleoError {
  return new CleoError(
    'E_MESSAGE_INVALID',
    `a message without id, sender or text content is set aside (${source.name})`,
    { hint: 'The transport is at fault: it must answer whole messages.' },
  );
}

export function unusable(what: string, hint: string): CleoError {
  return new CleoError('E_POLLER_OPTIONS', `AgentPoller: ${what}`, { hint });
}

export function noHandler(): CleoError {
  return new CleoError(
    'E_POLLER_NO_HANDLER',
    'AgentPoller: started without a handler: messages stay unread',
    {
      hint: 'Add one with onMessage; polling begins then.',
    },
  );
}

export function troubleWith(part: string, error: unknown): CleoError {
  if (CleoError.is(error)) return error;
  return new CleoError('E_TRANSPORT_FAILED', `${part}: ${errorText(error)}`, { cause: error });
}
