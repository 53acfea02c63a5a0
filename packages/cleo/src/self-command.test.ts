import { join } from 'node:path';
import { expect, it } from 'vitest';
import { selfCommand } from './self-command.ts';

/** The workspace's own, which has a script `cleo`. */
const npm_package_json = join(import.meta.dirname, '../../../package.json');
const script = { npm_lifecycle_event: 'start', npm_package_json };

it.for([
  ['from the shell', {}, 'cleo'],
  ['from a script of a project without a script for it', { ...script, npm_package_json: '/nowhere' }, 'cleo'],
  [
    'through pnpm',
    { ...script, npm_config_user_agent: 'pnpm/12.1.0 npm/? node/?', npm_execpath: '/usr/bin/pnpm' },
    'pnpm cleo',
  ],
  [
    'through a pnpm that npx fetched',
    {
      ...script,
      npm_config_user_agent: 'pnpm/12.1.0 npm/?',
      npm_execpath: '/home/me/.npm/_npx/9c7/node_modules/pnpm/pnpm',
    },
    'npx -y pnpm@12 cleo',
  ],
  ['through npm', { ...script, npm_config_user_agent: 'npm/11.0.0 node/v26' }, 'npm run cleo --'],
] as const)('%s', ([, env, command]) => {
  expect(selfCommand(env)).toBe(command);
});

it('through npx', () => {
  expect(selfCommand({ npm_lifecycle_event: 'npx' }, '/home/me/app/node_modules/@cleocode/cleo/dist')).toBe(
    'npx cleo',
  );
  const fetched = '/home/me/.npm/_npx/9c7/node_modules/@cleocode/cleo/dist';
  expect(selfCommand({ npm_lifecycle_event: 'npx' }, fetched)).toBe('npx @cleocode/cleo');
});
