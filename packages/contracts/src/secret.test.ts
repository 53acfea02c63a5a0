import { format, inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { maskKey, Secret } from './secret.ts';

const KEY = `sk_live_${'0123456789abcdef'.repeat(4)}`;

describe('Secret', () => {
  const secret = new Secret(KEY);

  it('gives the value only when asked to reveal it', () => {
    expect(secret.reveal()).toBe(KEY);
  });

  it.each<[string, () => string]>([
    ['String()', () => String(secret)],
    ['a template', () => `${secret}`],
    ['JSON', () => JSON.stringify({ deep: [secret] })],
    ['inspect', () => inspect({ deep: { secret } }, { depth: null, showHidden: true })],
    ['format', () => format('%s %o %j', secret, secret, secret)],
    ['its own keys', () => JSON.stringify(Object.getOwnPropertyNames(secret).concat(Object.keys(secret)))],
    ['a spread', () => JSON.stringify({ ...secret })],
    ['a structured clone', () => inspect(structuredClone({ secret }))],
    ['an error message', () => new Error(`refused: ${secret}`).message],
  ])('does not leak through %s', (_, show) => {
    expect(show()).not.toContain(KEY.slice(8, 20));
  });
});

describe('maskKey', () => {
  it('shows the prefix and three characters, so that people can tell keys apart', () => {
    expect(maskKey(KEY)).toBe('sk_live_012…');
  });

  it('shows three characters of a value without a prefix', () => {
    expect(maskKey('correct horse battery staple')).toBe('cor…');
  });

  it.each(['', 'short', 'x'.repeat(23)])('hides a short value whole: %j', (key) => {
    expect(maskKey(key)).toBe('***');
  });
});
