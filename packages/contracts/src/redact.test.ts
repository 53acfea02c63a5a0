import { expect, test } from 'vitest';
import { maskSecrets, redact } from './redact.ts';
import { Secret } from './secret.ts';

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
  circular.self = [circular];
  const twice = { a: 1 };
  let deep: unknown = 'bottom';
  for (let level = 0; level < 9; level++) deep = { deep };
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
  expect(maskSecrets(circular)).toEqual({ self: ['[circular]'] });
  expect(maskSecrets([twice, twice])).toEqual([twice, twice]);
  expect(JSON.stringify(maskSecrets(deep))).toContain('[…]');
});

test('a text for a log holds no secret that is in use, however it is spelled', () => {
  const value = 'correct horse/battery+staple?';
  const secret = new Secret(value);
  for (const spelling of [
    value,
    encodeURIComponent(value),
    Buffer.from(`${value}, and more`).toString('base64'),
  ])
    expect(redact(`it said ${spelling}!`)).toMatch(/^it said cor….*!$/);
  expect(secret.reveal()).toBe(value);
});

test.each([
  'Basic checks come first, bearer tokens later',
  'no basic auth here',
  'the bearer of this message',
  'a message of sk-ill and risk-averse agents',
])('a sentence stays as it is: %s', (text) => {
  expect(redact(text)).toBe(text);
});

test('what was masked once is not masked again', () => {
  const text = `Bearer ${KEY}, ${KEY}, https://me:hunter2@example.com/?token=hunter2`;
  expect(redact(redact(text))).toBe(redact(text));
});

test('an error is shown by its name and its message', () => {
  expect(maskSecrets({ error: new TypeError(`refused: ${KEY}`) })).toEqual({
    error: 'TypeError: refused: sk_live_012…',
  });
});

test('the names that mean a secret can be given', () => {
  expect(maskSecrets({ key: 'message 1', apiKey: 'hunter2' }, /apiKey/)).toEqual({
    key: 'message 1',
    apiKey: '***',
  });
});

test('a longer key that begins with a secret in use goes whole', () => {
  const short = new Secret('sk_live_01prefix23456789abcdef');
  expect(redact(`both sk_live_01prefix23456789abcdef, sk_live_01prefix23456789abcdef-rest_of-it.`)).toBe(
    'both sk_live_01p…, sk_live_01p….',
  );
  expect(redact(`Bearer ${short.reveal()}`)).toBe('Bearer ***');
  expect(short.reveal()).toBe('sk_live_01prefix23456789abcdef');
});
