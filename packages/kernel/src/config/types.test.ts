import { expect, test } from 'vitest';
import { definePlugin } from '../plugin.ts';
import { defineConfig } from './types.ts';

const acme = definePlugin({ name: 'acme', version: '1.0.0', apiVersion: 1, setup() {} });

test('defineConfig returns what it is given, an object or a function', () => {
  const config = { agent: 'me', plugins: [acme(), 'poller', false] as const };
  const made = defineConfig({ ...config, plugins: [...config.plugins] });
  expect(made).toEqual(config);
  const compute = async () => ({ agent: 'me' });
  expect(defineConfig(compute)).toBe(compute);
});

test('defineConfig knows the types', () => {
  defineConfig({ plugins: [['poller', { intervalMs: 5 }], ['poller'], null, undefined] });
  defineConfig(() => ({ transport: 'http', logLevel: 'debug' }));
  // @ts-expect-error an unknown key
  defineConfig({ agnet: 'x' });
  // @ts-expect-error a factory that was not called
  defineConfig({ plugins: [acme] });
  // @ts-expect-error not a level
  defineConfig({ logLevel: 'verbose' });
  // @ts-expect-error a function that returns something else
  defineConfig(async () => ({ timeouts: { stopMs: '5s' } }));
});
