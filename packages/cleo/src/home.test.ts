import { expect, it } from 'vitest';
import { provideHome } from './home.ts';

it('is / for a user that has none, and nobody else’s is touched', () => {
  const nameless: NodeJS.ProcessEnv = {};
  provideHome(nameless, () => {
    throw new Error('uv_os_homedir returned ENOENT');
  });
  expect(nameless).toEqual({ HOME: '/' });
  const named: NodeJS.ProcessEnv = {};
  provideHome(named, () => '/home/ada');
  expect(named).toEqual({});
});
