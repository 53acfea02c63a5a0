import { expect, it } from 'vitest';
import { CleoError } from './errors.ts';
import { pauseAskedBy, retryAfterMs } from './retry-after.ts';

const NOW = Date.parse('Wed, 21 Oct 2026 07:28:00 GMT');

it.each([
  ['5', 5_000],
  [' 0 ', 0],
  ['Wed, 21 Oct 2026 07:28:05 GMT', 5_000],
  ['Wed, 21 Oct 2026 07:27:00 GMT', 0],
  ['86400', 15 * 60_000],
  ['Thu, 22 Oct 2026 07:28:00 GMT', 15 * 60_000],
])('Retry-After: %s is %i ms', (header, ms) => {
  expect(retryAfterMs(header, NOW)).toBe(ms);
});

it.each([undefined, '', 'soon', '-1', '1.5', '2026-10-21', '1e3', 'Someday'])('%j says nothing', (header) => {
  expect(retryAfterMs(header, NOW)).toBeUndefined();
});

it.each([
  ['nothing', new Error('down'), 0],
  ['nothing', new CleoError('E_X', 'down'), 0],
  ['what it says', new CleoError('E_X', 'slow down', { retryAfterMs: 5_000 }), 5_000],
  ['a quarter of an hour at most', new CleoError('E_X', 'go away', { retryAfterMs: 86_400_000 }), 900_000],
])('the pause that an error asks for is %s', (_, error, ms) => {
  expect(pauseAskedBy(error)).toBe(ms);
});
