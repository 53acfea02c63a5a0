import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimiter } from './rate-limit.ts';
import { testServer } from './server.test.kit.ts';

class Clock {
  time = 0;
  readonly now = () => this.time;
}

describe('the window', () => {
  it('allows max requests, tells how many are left, and refuses the next', () => {
    const clock = new Clock();
    const limiter = new RateLimiter(3, 1_000, clock.now);
    const admissions = Array.from({ length: 4 }, () => limiter.admit('a'));
    expect(admissions.map(({ allowed }) => allowed)).toEqual([true, true, true, false]);
    expect(admissions.map(({ remaining }) => remaining)).toEqual([2, 1, 0, 0]);
    expect(limiter.admit('b').allowed).toBe(true);
  });

  it('slides: what it allows comes back bit by bit, not all at once', () => {
    const clock = new Clock();
    const limiter = new RateLimiter(10, 1_000, clock.now);
    for (let n = 0; n < 10; n++) limiter.admit('a');
    const allowedAt = (time: number) => {
      clock.time = time;
      let allowed = 0;
      while (limiter.admit('a').allowed) allowed += 1;
      return allowed;
    };
    expect([999, 1_000, 1_100, 1_500, 1_999].map(allowedAt)).toEqual([0, 0, 1, 4, 4]);
  });

  it('lets pass who has waited as long as told', () => {
    const times = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), times, (max, gaps) => {
        const clock = new Clock();
        const limiter = new RateLimiter(max, 1_000, clock.now);
        for (const gap of gaps) {
          clock.time += gap;
          const { allowed, remaining, resetMs } = limiter.admit('a');
          if (allowed) continue;
          expect(remaining).toBe(0);
          clock.time += Math.ceil(resetMs);
          expect(limiter.admit('a').allowed).toBe(true);
        }
      }),
    );
  });

  it('never lets pass twice what it allows in one window', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 50, maxLength: 300 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), gaps, (max, gaps) => {
        const clock = new Clock();
        const limiter = new RateLimiter(max, 1_000, clock.now);
        const passed: number[] = [];
        for (const gap of gaps) {
          clock.time += gap;
          if (limiter.admit('a').allowed) passed.push(clock.time);
        }
        for (const [from, start] of passed.entries()) {
          const within = passed.slice(from).filter((time) => time < start + 1_000).length;
          expect(within).toBeLessThan(2 * max);
        }
      }),
    );
  });
});

it('remembers 10,000 callers, and forgets the one not seen for longest', () => {
  const limiter = new RateLimiter(1, 1_000, () => 0);
  for (const caller of ['forgotten', 'seen again']) limiter.admit(caller);
  for (let n = 0; n < 9_998; n++) limiter.admit(`caller ${n}`);
  expect(limiter.admit('seen again').allowed).toBe(false);
  limiter.admit('one more');
  expect(limiter.admit('seen again').allowed).toBe(false);
  expect(limiter.admit('forgotten').allowed).toBe(true);
});

describe('over HTTP', () => {
  const start = async (max: number) => {
    const clock = new Clock();
    const agents = ['ann', 'bob'];
    return { clock, ...(await testServer({ agents, server: { rateLimit: { max }, now: clock.now } })) };
  };

  it('every answer tells the limit, what is left, and in how many seconds one more is', async () => {
    const { ask, clock } = await start(4);
    const told = async () => {
      const { headers } = await ask('GET /messages/peek', { as: 'ann' });
      return ['limit', 'remaining', 'reset'].map((name) => Number(headers[`x-ratelimit-${name}`]));
    };
    expect(await told()).toEqual([4, 3, 120]);
    clock.time = 30_000;
    expect(await told()).toEqual([4, 2, 60]);
    clock.time = 90_000;
    expect(await told()).toEqual([4, 2, 30]);
  });

  it('one request too many is refused, with the time to wait in every spelling', async () => {
    const { ask, clock } = await start(2);
    for (const _ of [1, 2]) await ask('GET /messages/peek', { as: 'ann' });
    const { status, headers, body } = await ask('GET /messages/peek', { as: 'ann' });
    expect(status).toBe(429);
    expect(headers).toMatchObject({
      'retry-after': '90',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '90',
    });
    expect(body.error).toMatchObject({
      code: 'E_RATE_LIMIT',
      category: 'RATE_LIMIT',
      message: 'Rate limit exceeded. Please try again later.',
      retryable: true,
      retry_after_ms: 90_000,
      retryAfterMs: 90_000,
    });
    expect((await ask('GET /messages/peek', { as: 'bob' })).status).toBe(200);
    clock.time = 90_000;
    expect((await ask('GET /messages/peek', { as: 'ann' })).status).toBe(200);
  });

  it('requests without a good key count for the address, and take nothing from the agent they name', async () => {
    const { ask } = await start(2);
    const guess = () =>
      ask('GET /messages/peek', { headers: { authorization: 'Bearer sk_live_guess', 'x-agent-id': 'ann' } });
    expect([(await guess()).status, (await guess()).status, (await guess()).status]).toEqual([401, 401, 429]);
    expect((await ask('GET /health')).status).toBe(429);
    expect((await ask('GET /nowhere')).status).toBe(429);
    expect((await ask('GET /agents/%zz')).status).toBe(429);
    expect((await ask('GET /messages/peek', { as: 'ann' })).status).toBe(200);
  });

  it('a stream counts and is told as well', async () => {
    const { app, as } = await start(2);
    const stream = await app.inject({ url: '/messages/stream', headers: as('ann'), payloadAsStream: true });
    expect(stream.headers).toMatchObject({ 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '1' });
    stream.stream().destroy();
  });

  it('a max of 0 is no limit', async () => {
    const { ask } = await start(0);
    const { status, headers } = await ask('GET /messages/peek', { as: 'ann' });
    expect(status).toBe(200);
    expect(headers).not.toHaveProperty('x-ratelimit-limit');
  });
});
