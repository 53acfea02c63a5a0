import { CleoError } from '@cleocode/contracts';

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

export function stopping(): CleoError {
  return new CleoError('E_POLLER_STATE', 'AgentPoller: start() was called while stop() is under way', {
    hint: 'Await stop() first.',
  });
}
