import { type Agent, Secret } from '@cleocode/contracts';
import { expect, it } from 'vitest';
import { childEnvironment } from './child-environment.ts';

const KEY = `sk_live_${'0123456789abcdef'.repeat(4)}`;
const agent = { id: 'bot', credential: () => ({ apiKey: new Secret(KEY) }) } as unknown as Agent;
const message = { id: 'm1', from: 'alice', content: 'hello', timestamp: '' };

it('tells the command about the message, a missing conversation included', () => {
  expect(childEnvironment({ message, attempt: 2 }, agent, {}, { CLEO_THREAD_ID: 'of another' })).toEqual({
    CLEO_AGENT_ID: 'bot',
    CLEO_MESSAGE_ID: 'm1',
    CLEO_FROM: 'alice',
    CLEO_THREAD_ID: '',
    CLEO_ATTEMPT: '2',
    CLEO_HOPS: '0',
  });
  expect(childEnvironment({ message, attempt: 1, hops: 3 }, agent, {}, {}).CLEO_HOPS).toBe('3');
  const threaded = { ...message, threadId: 't1' };
  expect(childEnvironment({ message: threaded, attempt: 1 }, agent, {}, {}).CLEO_THREAD_ID).toBe('t1');
});

it('keeps the agent key out, whatever the variable is called', () => {
  const inherited = {
    CLEO_API_KEY: 'sk_live_other',
    SIGNALDOCK_API_KEY: 'sk_live_other',
    CLEO_MASTER_SECRET: 'x',
    cleo_token: 'x',
    MY_KEY: KEY,
    COMMAND: `curl -H "Authorization: Bearer ${KEY}"`,
    PATH: '/bin',
    OPENAI_API_KEY: 'the command needs it',
    CLEO_DIR: '/state',
  };
  const extra = { SNEAKED: KEY, CLEO_API_KEY: 'sk_live_other', GREETING: 'hi' };
  const env = childEnvironment({ message, attempt: 1 }, agent, extra, inherited);
  expect(Object.keys(env).sort()).toEqual(
    [
      'PATH',
      'OPENAI_API_KEY',
      'CLEO_DIR',
      'GREETING',
      'CLEO_AGENT_ID',
      'CLEO_MESSAGE_ID',
      'CLEO_FROM',
      'CLEO_THREAD_ID',
      'CLEO_ATTEMPT',
      'CLEO_HOPS',
    ].sort(),
  );
});

it('keeps everything else when the agent has no key', () => {
  const keyless = { id: 'bot', credential: () => ({ apiKey: new Secret('') }) } as unknown as Agent;
  expect(childEnvironment({ message, attempt: 1 }, keyless, {}, { PATH: '/bin' }).PATH).toBe('/bin');
});
