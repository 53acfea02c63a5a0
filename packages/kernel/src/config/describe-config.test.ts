import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { definePlugin } from '../plugin.ts';
import { describeConfig } from './describe-config.ts';

const KEY = 'sk_live_0123456789abcdef0123456789abcdef';
const acme = definePlugin({ name: '@acme/cleo-plugin', version: '1.0.0', apiVersion: 1, setup() {} });
const cwd = mkdtempSync(join(tmpdir(), 'cleo-describe-'));
afterAll(() => rmSync(cwd, { recursive: true }));

test('without a configuration every value is a default', () => {
  const entries = describeConfig({ config: { plugins: [] }, file: undefined }, {}, cwd);
  expect(entries.filter(({ origin }) => origin !== 'default')).toEqual([]);
  expect(Object.fromEntries(entries.map(({ path, value }) => [path, value]))).toEqual({
    agent: null,
    transport: null,
    'inbox.concurrency': 16,
    'inbox.capacity': 1024,
    'inbox.capacityBytes': 33_554_432,
    'inbox.laneCapacity': 128,
    'inbox.maxAttempts': 5,
    'inbox.maxHops': 8,
    'inbox.maxRepliesPerMinute': 60,
    'inbox.retryBaseMs': 1000,
    'inbox.retryMaxMs': 60_000,
    'timeouts.initMs': 10_000,
    'timeouts.startMs': 10_000,
    'timeouts.messageMs': 300_000,
    'timeouts.drainMs': 10_000,
    'timeouts.stopMs': 5000,
    logLevel: 'info',
    stateDir: join(cwd, '.cleo'),
  });
});

test('what the file or the environment says is shown with its origin, plugins with their options', () => {
  const config = {
    agent: { id: 'me', apiKey: KEY },
    transport: acme({ url: 'https://example.com' }),
    plugins: [acme(), acme({ everyMs: 5, headers: { authorization: 'x' }, unset: undefined }), acme('text')],
    inbox: { capacity: 64 },
    logLevel: 'warn',
  } as const;
  const entries = describeConfig(
    { config: { ...config, plugins: [...config.plugins] }, file: '/app/cleo.config.ts' },
    { CLEO_DIR: '/var/lib/cleo' },
    cwd,
  );
  expect(entries.filter(({ origin }) => origin !== 'default')).toEqual([
    { path: 'agent.id', value: 'me', origin: 'file' },
    { path: 'agent.apiKey', value: 'sk_live_012…', origin: 'file' },
    { path: 'transport', value: '@acme/cleo-plugin', origin: 'file' },
    { path: 'transport.url', value: 'https://example.com', origin: 'file' },
    { path: 'plugins[0]', value: '@acme/cleo-plugin', origin: 'file' },
    { path: 'plugins[1]', value: '@acme/cleo-plugin', origin: 'file' },
    { path: 'plugins[1].everyMs', value: 5, origin: 'file' },
    { path: 'plugins[1].headers', value: { authorization: '***' }, origin: 'file' },
    { path: 'plugins[2]', value: '@acme/cleo-plugin', origin: 'file' },
    { path: 'plugins[2].options', value: 'text', origin: 'file' },
    { path: 'inbox.capacity', value: 64, origin: 'file' },
    { path: 'logLevel', value: 'warn', origin: 'file' },
    { path: 'stateDir', value: '/var/lib/cleo', origin: 'env' },
  ]);
  expect(JSON.stringify(entries)).not.toContain(KEY);
});

test('a transport that is no plugin is shown by its name', () => {
  const nothing = async () => [] as never;
  const transport = {
    name: 'mine',
    connect: nothing,
    disconnect: nothing,
    push: nothing,
    poll: nothing,
    ack: nothing,
  };
  const entries = describeConfig({ config: { plugins: [], transport }, file: '/app/x.ts' }, {}, cwd);
  expect(entries).toContainEqual({ path: 'transport', value: 'mine', origin: 'file' });
});
