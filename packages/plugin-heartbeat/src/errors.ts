import { CleoError, errorText, type Transport } from '@cleocode/contracts';

export function unsupported({ name }: Transport): CleoError {
  return new CleoError('E_HEARTBEAT_UNSUPPORTED', `${name}: the transport tells nobody who is online`, {
    hint: 'Use a transport with heartbeat or setStatus, or set intervalMs to 0.',
  });
}

export function unusable(what: string, hint: string): CleoError {
  return new CleoError('E_HEARTBEAT_OPTIONS', `HeartbeatService: ${what}`, { hint });
}

export function stopping(): CleoError {
  return new CleoError(
    'E_HEARTBEAT_STATE',
    'HeartbeatService: start() was called while stop() is under way',
    {
      hint: 'Await stop() first.',
    },
  );
}

export function listenerThrew(name: string, thrown: unknown): CleoError {
  return new CleoError('E_HEARTBEAT_STATE', `HeartbeatService: ${name} threw: ${errorText(thrown)}`, {
    hint: `Keep ${name} from throwing.`,
    cause: thrown,
  });
}
