import { definePlugin, type LoadedConfig } from '@cleocode/kernel';
import { expect, it } from 'vitest';
import { kernelConfig } from './kernel-config.ts';

const ROTATION = '@cleocode/plugin-key-rotation';
const credential = { agentId: 'bob', apiBaseUrl: 'https://api.example.com' };

async function rotationOptions(config: Partial<LoadedConfig['config']>): Promise<unknown> {
  const loaded = { config: { plugins: [], ...config } } as unknown as LoadedConfig;
  const { plugins = [] } = await kernelConfig({ stateDir: '/state', credential, loaded });
  const rotation = plugins.find((plugin) => plugin && plugin.definition.name === ROTATION);
  return rotation ? rotation.options : undefined;
}

it('lets the key of the store be rotated by its age', async () => {
  expect(await rotationOptions({})).toBeUndefined();
  expect(await rotationOptions({ agent: { id: 'bob' } })).toBeUndefined();
});

it('leaves a key that the configuration holds alone: the next start would bring back the one that was replaced', async () => {
  expect(await rotationOptions({ agent: { id: 'bob', apiKey: 'sk_live_example' } })).toEqual({
    maxKeyAgeMs: 0,
  });
  expect(await rotationOptions({ agent: { id: 'another', apiKey: 'sk_live_example' } })).toBeUndefined();
});

it('leaves it to a configuration that rotates by itself', async () => {
  const own = definePlugin({ name: ROTATION, version: '1.0.0', apiVersion: 1, setup() {} })();
  const agent = { id: 'bob', apiKey: 'sk_live_example' };
  expect(await rotationOptions({ agent, plugins: [own] })).toBeUndefined();
});
