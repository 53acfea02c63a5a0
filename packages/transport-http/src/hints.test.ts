import { describe, expect, it, vi } from 'vitest';
import { askedMs, rateLimit, serverTime } from './hints.ts';

const noon = Date.parse('2026-01-01T12:00:00Z');
const date = new Date(noon).toUTCString();
const in7s = new Date(noon + 7_000).toUTCString();

describe('Retry-After', () => {
  it('is a number of seconds', () => {
    expect(askedMs({ 'retry-after': '5' })).toBe(5_000);
    expect(askedMs({})).toBeUndefined();
  });

  it('or a date, which is compared with the date of the server, not with ours', () => {
    expect(askedMs({ 'retry-after': in7s, date })).toBe(7_000);
    expect(askedMs({ 'retry-after': date, date: in7s })).toBe(0);
  });

  it('or a date, which is compared with ours where the server tells none', () => {
    vi.useFakeTimers({ now: noon, toFake: ['Date'] });
    try {
      expect(askedMs({ 'retry-after': in7s })).toBe(7_000);
    } finally {
      vi.useRealTimers();
    }
  });

  it('given twice is the first of the two', () => {
    expect(askedMs({ 'retry-after': ['5', '6'] })).toBe(5_000);
  });
});

describe('the rate limit', () => {
  const headers = { 'x-ratelimit-remaining': '7', 'x-ratelimit-limit': '100' };

  it('starts anew in some seconds', () => {
    expect(rateLimit({ ...headers, 'x-ratelimit-reset': '30' })).toEqual({
      limit: 100,
      remaining: 7,
      resetMs: 30_000,
    });
  });

  it('or at a point in time, by the clock of the server', () => {
    const reset = `${noon / 1_000 + 7}`;
    expect(rateLimit({ ...headers, 'x-ratelimit-reset': reset, date })?.resetMs).toBe(7_000);
  });

  it('is unknown when half of it is missing or no number', () => {
    expect(rateLimit(headers)).toBeUndefined();
    expect(rateLimit({ 'x-ratelimit-reset': '30' })).toBeUndefined();
    expect(rateLimit({ 'x-ratelimit-remaining': 'many', 'x-ratelimit-reset': '30' })).toBeUndefined();
  });
});

it('the time of a server that tells none is ours', () => {
  expect(Math.abs(serverTime({ date: 'yesterday' }) - Date.now())).toBeLessThan(60_000);
});
