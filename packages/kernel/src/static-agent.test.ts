import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { staticAgent } from './static-agent.ts';

it('is the agent of the configuration, with its key behind a mask', () => {
  const agent = staticAgent({ id: 'me', apiKey: 'sk_secret', apiBaseUrl: 'https://dock.example' });
  const credential = agent.credential();
  expect(agent.id).toBe('me');
  expect(credential).toMatchObject({
    agentId: 'me',
    apiBaseUrl: 'https://dock.example',
    transportType: 'http',
    transportConfig: {},
  });
  expect(credential.apiKey.reveal()).toBe('sk_secret');
  expect(`${JSON.stringify(credential)} ${inspect(credential)} ${credential.apiKey}`).not.toContain(
    'sk_secret',
  );
});

it('is local where no backend is named, and never changes', () => {
  const agent = staticAgent({ id: 'me' });
  expect(agent.credential()).toMatchObject({ apiBaseUrl: 'local:', transportType: 'local' });
  expect(agent.credential()).toBe(agent.credential());
  expect(Object.isFrozen(agent.credential())).toBe(true);
  const stop = agent.onChange(() => {
    throw new Error('it changed');
  });
  agent.reportUnauthorized(new Error('401'));
  stop();
});
