import { Secret } from '@cleocode/contracts';
import { expect, test } from 'vitest';
import { maskSecrets } from './mask-secrets.ts';

const KEY = 'sk_live_0123456789abcdef0123456789abcdef';

test('what is no secret stays as it is', () => {
  const value = {
    a: 1,
    b: [true, null, 'text'],
    url: 'https://example.com/x?page=2',
    none: undefined,
    maxTokens: 5,
  };
  expect(maskSecrets(value)).toEqual(value);
});

test.each([
  'apiKey',
  'key',
  'API_KEY',
  'secret',
  'clientSecret',
  'token',
  'password',
  'Authorization',
  'cookie',
])('a string named %s is masked, and so is all below', (name) => {
  expect(maskSecrets({ [name]: KEY })).toEqual({ [name]: 'sk_live_012…' });
  expect(maskSecrets({ [name]: 'short' })).toEqual({ [name]: '***' });
  expect(maskSecrets({ deep: [{ [name]: { list: ['short'] } }] })).toEqual({
    deep: [{ [name]: { list: ['***'] } }],
  });
});

test.each([
  [`curl -H "Authorization: Bearer ${KEY}" x`, 'curl -H "Authorization: Bearer ***" x'],
  [`run --with ${KEY} now`, 'run --with sk_live_012… now'],
  ['https://me:hunter2@example.com/a', 'https://***@example.com/a'],
  ['https://example.com/a?x=1&access_token=hunter2&y=2', 'https://example.com/a?x=1&access_token=***&y=2'],
  ['OPENAI_API_KEY=hunter2 ./agent.sh', 'OPENAI_API_KEY=*** ./agent.sh'],
])('inside a string: %s', (text, masked) => {
  expect(maskSecrets({ command: text })).toEqual({ command: masked });
});

test('what is not plain data is shown by what it is', () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  expect(
    maskSecrets({
      wrapped: new Secret(KEY),
      handler: function onMessage() {},
      when: new Date(0),
      bytes: Buffer.from(KEY),
      map: new Map([['token', KEY]]),
      pattern: /x/,
      big: 1n,
    }),
  ).toEqual({
    wrapped: 'sk_live_012…',
    handler: '[function onMessage]',
    when: '1970-01-01T00:00:00.000Z',
    bytes: `[${KEY.length} bytes]`,
    map: '[Map]',
    pattern: '[RegExp]',
    big: '1',
  });
  expect(JSON.stringify(maskSecrets(circular))).toContain('[…]');
});
