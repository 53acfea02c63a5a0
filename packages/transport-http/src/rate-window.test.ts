import { describe, expect, it } from 'vitest';
import { RateWindow, type Use } from './rate-window.ts';

function windowAt() {
  const clock = { now: 0 };
  const window = new RateWindow(() => clock.now);
  const ask = (use: Use, remaining: number, { reset = 30, limit = 100, status = 200 } = {}) =>
    window.begin(use)({
      status,
      headers: {
        'x-ratelimit-limit': `${limit}`,
        'x-ratelimit-remaining': `${remaining}`,
        'x-ratelimit-reset': `${reset}`,
      },
    });
  return { clock, window, ask };
}

describe('a rate window', () => {
  it('knows nothing until the backend tells', () => {
    const { window } = windowAt();
    for (let n = 0; n < 1_000; n += 1) window.begin('read');
  });

  it('refuses to read when a tenth is left, which is kept for sending', () => {
    const { window, ask } = windowAt();
    ask('read', 11);
    ask('read', 10);
    expect(() => window.begin('read')).toThrow(
      expect.objectContaining({
        code: 'E_RATE_LIMIT',
        message: 'what is left of the rate limit is kept for sending; the backend counts anew in 30 s',
        retryable: true,
        retryAfterMs: 30_000,
      }),
    );
    for (let left = 9; left >= 0; left -= 1) ask('write', left);
    expect(() => window.begin('write')).toThrow(
      expect.objectContaining({
        code: 'E_RATE_LIMIT',
        message: 'the rate limit is used up; the backend counts anew in 30 s',
      }),
    );
  });

  it('counts what is under way', () => {
    const { window, ask } = windowAt();
    ask('write', 3);
    const first = window.begin('write');
    window.begin('write');
    window.begin('write');
    expect(() => window.begin('write')).toThrow();
    first();
    window.begin('write');
  });

  it('keeps two for sending of a small limit, and half of a tiny one', () => {
    const small = windowAt();
    small.ask('read', 2, { limit: 10 });
    expect(() => small.window.begin('read')).toThrow();
    const tiny = windowAt();
    tiny.ask('read', 1, { limit: 2 });
    expect(() => tiny.window.begin('read')).toThrow();
    const single = windowAt();
    single.ask('write', 1, { limit: 1 });
    single.window.begin('read');
  });

  it('lets one read find out what is left after the reset, and every send', () => {
    const { clock, window, ask } = windowAt();
    ask('write', 0);
    clock.now = 30_000;
    const read = window.begin('read');
    expect(() => window.begin('read')).toThrow();
    window.begin('write')();
    read({ status: 200, headers: { 'x-ratelimit-remaining': '99', 'x-ratelimit-reset': '60' } });
    window.begin('read');
    window.begin('read');
  });

  it('is used up when the backend refuses for that reason, until Retry-After', () => {
    const { clock, window } = windowAt();
    window.begin('write')({ status: 429, headers: { 'retry-after': '5' } });
    expect(() => window.begin('write')).toThrow(expect.objectContaining({ retryAfterMs: 5_000 }));
    clock.now = 5_000;
    window.begin('write');
  });

  it('is not told by an answer to who could not prove to be the agent', () => {
    const { window, ask } = windowAt();
    ask('read', 0, { status: 401 });
    window.begin('read');
  });
});
