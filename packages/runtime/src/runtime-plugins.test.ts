import { isPlugin } from '@cleocode/kernel';
import { expect, it } from 'vitest';
import { MapRegistry, SevenTransport } from './create-runtime.test.kit.ts';
import type { RuntimeConfig } from './index.ts';
import { checkedConfig } from './runtime-config.ts';
import { runtimePlugins } from './runtime-plugins.ts';

/** The options of each plugin but the registry's, by name. */
async function composed(config: RuntimeConfig, apiBaseUrl = 'https://api.example.com') {
  const registry = new MapRegistry();
  const credential = await registry.register({ agentId: 'bob', apiBaseUrl });
  const { plugins = [] } = await runtimePlugins({
    registry,
    credential,
    config: checkedConfig(config),
    own: [],
  });
  return Object.fromEntries(
    plugins
      .filter(isPlugin)
      .map(({ definition, options }) => [definition.name.replace('@cleocode/', ''), options])
      .filter(([name]) => name !== 'store/credentials'),
  );
}

it('has the defaults of the README', async () => {
  expect(await composed({})).toEqual({
    'transport-http': {},
    'plugin-poller': { intervalMs: 5_000, groups: [], groupPollLimit: 15 },
    'plugin-key-rotation': { maxKeyAgeMs: 30 * 24 * 3_600_000 },
    'plugin-heartbeat': { intervalMs: 30_000 },
    'plugin-sse': {},
  });
});

it('gives each option to whom it concerns', async () => {
  const config = {
    pollIntervalMs: 7_000,
    groupConversationIds: ['g'],
    groupPollLimit: 9,
    heartbeatIntervalMs: 0,
    maxKeyAgeMs: 0,
    sseEndpoint: '/sse',
  };
  expect(await composed(config)).toEqual({
    'transport-http': {},
    'plugin-poller': { intervalMs: 7_000, groups: ['g'], groupPollLimit: 9 },
    'plugin-key-rotation': { maxKeyAgeMs: 0 },
    'plugin-heartbeat': { intervalMs: 0 },
    'plugin-sse': { endpoint: '/sse' },
  });
});

it('lets the poller slow down only beside a stream of its own', async () => {
  const createSseTransport = () => new SevenTransport();
  for (const config of [{ createSseTransport }, { transport: new SevenTransport() }])
    expect((await composed(config))['plugin-poller']).toMatchObject({
      intervalMs: 5_000,
      liveIntervalMs: 5_000,
    });
});

it('is one backend in this process for local:, wherever a .cleo folder lies', async () => {
  expect(Object.keys(await composed({}, 'local:'))).toEqual([
    'transport-local',
    'plugin-poller',
    'plugin-key-rotation',
    'plugin-heartbeat',
  ]);
});
