import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { seal, unseal } from './seal.ts';

const key = randomBytes(32);
const context = { agentId: 'bob', field: 'apiKey' };

describe('seal', () => {
  it.each(['', 'sk_live_1', 'ключ 🔑', 'x'.repeat(100_000)])('is undone by unseal', (text) => {
    expect(unseal(key, context, seal(key, context, text))).toBe(text);
  });

  it('never gives the same twice and never shows the text', () => {
    const [one, two] = [seal(key, context, 'sk_live_secret'), seal(key, context, 'sk_live_secret')];
    expect(one.equals(two)).toBe(false);
    expect(one.subarray(0, 12).equals(two.subarray(0, 12))).toBe(false);
    expect(one.includes('sk_live')).toBe(false);
  });
});

describe('unseal', () => {
  it('refuses another key, another agent and another field', () => {
    const sealed = seal(key, context, 'secret');
    expect(() => unseal(randomBytes(32), context, sealed)).toThrow();
    expect(() => unseal(key, { ...context, agentId: 'eve' }, sealed)).toThrow();
    expect(() => unseal(key, { ...context, field: 'transportConfig' }, sealed)).toThrow();
  });

  it('refuses a single changed bit, wherever it is, and a cut end', () => {
    const sealed = seal(key, context, 'secret');
    for (let index = 0; index < sealed.length; index++) {
      const changed = Buffer.from(sealed);
      changed[index]! ^= 1;
      expect(() => unseal(key, context, changed)).toThrow();
    }
    for (let length = 0; length < sealed.length; length++)
      expect(() => unseal(key, context, sealed.subarray(0, length))).toThrow();
  });
});
