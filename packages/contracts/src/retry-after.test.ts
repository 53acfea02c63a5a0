import { expect, it } from 'vitest';
import { retryAfterMs } from './retry-after.ts';

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
