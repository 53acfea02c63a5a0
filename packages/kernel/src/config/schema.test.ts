import { expect, test } from 'vitest';
import { KernelError } from '../errors.ts';
import { definePlugin } from '../plugin.ts';
import { parseConfig } from './schema.ts';

const plugin = definePlugin({ name: 'acme', version: '1.0.0', apiVersion: 1, setup() {} });
const origin = { label: 'cleo.config.ts', file: '/app/cleo.config.ts' };

function invalid(config: unknown): KernelError {
  try {
    parseConfig(config, origin);
  } catch (error) {
    if (KernelError.is(error, 'E_CONFIG_INVALID')) return error;
    throw error;
  }
  throw new Error('taken as valid');
}

test('a whole configuration passes as it is, an agent id becomes an object', () => {
  const async = async () => [];
  const transport = { name: 'mine', connect: async, disconnect: async, push: async, poll: async, ack: async };
  const config = {
    transport,
    plugins: [plugin({ a: 1 }), 'poller', ['poller', { b: 2 }], ['poller'], false, null, undefined],
    inbox: {
      concurrency: 1,
      capacity: 2,
      capacityBytes: 3,
      laneCapacity: 4,
      maxAttempts: 5,
      retryBaseMs: 6,
      retryMaxMs: 7,
    },
    timeouts: { initMs: 1, startMs: 2, messageMs: 2_147_483_647, drainMs: 4, stopMs: 5 },
    logLevel: 'debug',
  };
  const parsed = parseConfig({ ...config, agent: 'me' }, origin);
  expect(parsed).toEqual({ ...config, agent: { id: 'me' } });
  expect(parsed.transport).toBe(transport);
  expect(parsed.plugins![0]).toBe(config.plugins[0]);
  const agent = { id: 'me', apiKey: 'sk_live_x', apiBaseUrl: 'https://api.example.com/v1' };
  expect(parseConfig({ agent }, origin)).toEqual({ agent });
  expect(parseConfig({}, origin)).toEqual({});
});

test.each([
  [{ agent: 7 }, 'agent: expected an agent id, or an object with its id, got 7'],
  [{ agent: {} }, /^agent\.id: expected an agent id: 1 to 64 .*, got undefined$/],
  [{ agent: '../etc' }, /^agent\.id: expected an agent id: 1 to 64 .*, got a string$/],
  [
    { agent: { id: 'a', apiKey: 'sk live' } },
    'agent.apiKey: expected a key: printable characters without spaces, got a string',
  ],
  [
    { agent: { id: 'a', apiKey: '' } },
    'agent.apiKey: expected a key: printable characters without spaces, got an empty string',
  ],
  [{ agent: { id: 'a', apikey: 'x' } }, 'agent.apikey: unknown key, did you mean "apiKey"?'],
  [{ agent: { id: 'a', apiBaseUrl: 'api.example.com' } }, /^agent\.apiBaseUrl: expected an http\(s\) URL/],
  [{ agent: { id: 'a', apiBaseUrl: 'ftp://example.com' } }, /^agent\.apiBaseUrl: expected an http\(s\) URL/],
  [
    { transport: {} },
    'transport: expected a transport, its plugin, a name or [name, options], got an object',
  ],
  [
    { transport: plugin },
    'transport: expected a transport, its plugin, a name or [name, options], got the plugin factory acme; call it: plugin(options)',
  ],
  [{ transport: null }, 'transport: expected a transport, its plugin, a name or [name, options], got null'],
  [{ plugins: 'poller' }, 'plugins: expected a list of plugins, got a string'],
  [
    { plugins: [plugin] },
    'plugins[0]: expected a plugin, a name or [name, options], got the plugin factory acme; call it: plugin(options)',
  ],
  [{ plugins: [''] }, 'plugins[0]: expected a plugin, a name or [name, options], got an empty string'],
  [{ plugins: [['a', {}, 1]] }, 'plugins[0]: expected a plugin, a name or [name, options], got a list of 3'],
  [{ plugins: [true] }, 'plugins[0]: expected a plugin, a name or [name, options], got true'],
  [
    { plugins: [Promise.resolve()] },
    'plugins[0]: expected a plugin, a name or [name, options], got a promise',
  ],
  [{ plugins: [class Poller {}] }, 'plugins[0]: expected a plugin, a name or [name, options], got a class'],
  [{ inbox: [] }, 'inbox: expected an object of inbox options, got a list of 0'],
  [{ inbox: { concurrency: 0 } }, 'inbox.concurrency: expected a whole number from 1 to 10000, got 0'],
  [{ inbox: { maxAttempts: 2.5 } }, 'inbox.maxAttempts: expected a whole number from 1 to 1000, got 2.5'],
  [{ inbox: { capacity: '64' } }, 'inbox.capacity: expected a whole number from 1 to 1000000, got a string'],
  [
    { inbox: { retryBaseMs: 70_000 } },
    'inbox.retryBaseMs: expected retryBaseMs (70000) to be at most retryMaxMs (60000)',
  ],
  [
    { inbox: { retryMaxMs: 500 } },
    'inbox.retryMaxMs: expected retryBaseMs (1000) to be at most retryMaxMs (500)',
  ],
  [
    { timeouts: { stopMs: Number.POSITIVE_INFINITY } },
    'timeouts.stopMs: expected a whole number of milliseconds from 1 to 2147483647, got Infinity',
  ],
  [
    { timeouts: { messageMs: 2_147_483_648 } },
    'timeouts.messageMs: expected a whole number of milliseconds from 1 to 2147483647, got 2147483648',
  ],
  [{ timeouts: { drain: 5 } }, 'timeouts.drain: unknown key, did you mean "drainMs"?'],
  [{ logLevel: 'warning' }, 'logLevel: expected one of debug, info, warn, error, got a string'],
  [
    { logLevel: 'Info' },
    'logLevel: expected one of debug, info, warn, error, got a string; did you mean "info"?',
  ],
  [{ pulgins: [] }, 'pulgins: unknown key, did you mean "plugins"?'],
  [{ zebra: 1 }, 'zebra: unknown key, expected one of agent, transport, plugins, inbox, timeouts, logLevel'],
])('%o is refused by path', (config, message) => {
  const error = invalid(config);
  const text = error.message.replace('cleo.config.ts: ', '');
  expect(text).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
  expect(error.details).toEqual({
    file: '/app/cleo.config.ts',
    path: text.slice(0, text.indexOf(': ')),
    issues: [{ path: text.slice(0, text.indexOf(': ')), message: text.slice(text.indexOf(': ') + 2) }],
  });
});

test('every fault has its own line, several unknown keys included', () => {
  expect(invalid({ agnet: 'x', inbox: { a: 1, maxAttempt: 2 }, plugins: [5] }).message.split('\n')).toEqual([
    'cleo.config.ts: plugins[0]: expected a plugin, a name or [name, options], got 5',
    expect.stringContaining('cleo.config.ts: inbox.a: unknown key, expected one of concurrency, '),
    'cleo.config.ts: inbox.maxAttempt: unknown key, did you mean "maxAttempts"?',
    'cleo.config.ts: agnet: unknown key, did you mean "agent"?',
  ]);
});

test('a value that may be a key is never repeated', () => {
  const secret = 'sk_live_0123456789';
  const wrong = {
    agent: { id: secret.repeat(9), apiKey: `${secret} `, apiBaseUrl: `https://user:${secret}@example.com` },
    logLevel: secret,
    inbox: { capacity: secret },
    timeouts: secret,
  };
  const { message, hint, details } = invalid(wrong);
  expect(message.split('\n')).toHaveLength(6);
  expect(JSON.stringify([message, hint, details])).not.toContain(secret);
});
