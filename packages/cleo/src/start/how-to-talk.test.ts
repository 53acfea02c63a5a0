import { afterEach, expect, it, vi } from 'vitest';
import { howToTalk } from './how-to-talk.ts';

afterEach(() => vi.unstubAllEnvs());

const bob = { agentId: 'bob', apiBaseUrl: 'local:', transport: 'local' };

it.each([
  ['on the embedded backend from a second terminal', bob, 'agent send --to bob "hello"'],
  [
    'through a server as another agent of it',
    { ...bob, apiBaseUrl: 'https://dock.example', transport: 'sse' },
    'as another agent of https://dock.example:\n\n    cleo agent send --to bob --agent another-agent "hello"',
  ],
  [
    'over the transport it has, where no command of ours would reach it',
    { ...bob, transport: 'pigeon' },
    '"pigeon"',
  ],
])('one talks to an agent %s', (_, agent, told) => {
  vi.stubEnv('npm_lifecycle_event', undefined);
  expect(howToTalk(agent)).toContain(told);
});

it('names no command that would not reach it', () => {
  expect(howToTalk({ ...bob, transport: 'pigeon' })).not.toContain('agent send');
});
