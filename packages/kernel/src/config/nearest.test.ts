import { expect, test } from 'vitest';
import { nearest } from './nearest.ts';

const WORDS = ['agent', 'transport', 'plugins', 'logLevel'];

test.each([
  ['agnet', 'agent'],
  ['Transport', 'transport'],
  ['plugin', 'plugins'],
  ['log_level', 'logLevel'],
  ['plguins', 'plugins'],
])('%s is nearest to %s', (word, expected) => {
  expect(nearest(word, WORDS)).toBe(expected);
});

test('a word that is far from all has no nearest', () => {
  expect(nearest('zebra', WORDS)).toBeUndefined();
  expect(nearest('a', WORDS)).toBeUndefined();
  expect(nearest('agent', [])).toBeUndefined();
});

test('the closer of two wins, the first of equals', () => {
  expect(nearest('poler', ['holder', 'poller', 'polder'])).toBe('poller');
});
