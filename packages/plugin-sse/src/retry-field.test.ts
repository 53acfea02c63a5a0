import { expect, it } from 'vitest';
import { RetryField } from './retry-field.ts';

function found(...chunks: string[]): number[] {
  const retries: number[] = [];
  const field = new RetryField((ms) => retries.push(ms));
  for (const chunk of chunks) field.feed(Buffer.from(chunk));
  return retries;
}

it.each([
  ['retry:1\n', [1]],
  ['retry: 20\r\ndata:x\rretry:30\r', [20, 30]],
  ['data:x\nretry:5\n\n', [5]],
  ['retry:  1\nretry:1000x\nretry:-1\nretry:1.5\nretry\nretry:\nRetry:1\n', []],
  ['data:retry:1\n:retry:2\n retry:3\n', []],
  ['retry:7', []],
])('%j names %j', (text, retries) => {
  expect(found(text)).toEqual(retries);
  expect(found(...text)).toEqual(retries);
});

it('finds the field behind a line of any length, and keeps little of it', () => {
  const line = Array.from({ length: 1_000 }, () => 'x'.repeat(10_000));
  expect(found('data:', ...line, 'retry:1\n', 'retry:2\n')).toEqual([2]);
});
