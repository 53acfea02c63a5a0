import { setTimeout as sleep } from 'node:timers/promises';
import { PermanentError, services } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { definePlugin } from '../index.ts';
import { plugin } from '../kernel.test.parts.ts';
import { type TestKernelConfig, testKernel } from './index.ts';

const echo = plugin('echo', (ctx) => {
  ctx.on('message', async (delivery) => {
    ctx.logger.info('answering', { from: delivery.message.from });
    await delivery.reply(`${delivery.attempt}: ${delivery.message.content}`);
  });
});

describe('testKernel', () => {
  it('is running, and delivers a text or a message', async () => {
    const bot = await running({ plugins: [echo] });
    expect(await bot.deliver('hi')).toEqual({ status: 'done' });
    expect(await bot.deliver({ from: 'ada', content: 'hello' })).toEqual({ status: 'done' });
    expect(bot.transport.pushed).toMatchObject([
      { to: 'someone', content: '1: hi' },
      { to: 'ada', content: '1: hello' },
    ]);
    expect(bot.logged('answering')).toHaveLength(2);
    expect(bot.logged(/^answer/)[1]).toMatchObject({
      level: 'info',
      fields: { plugin: 'echo', from: 'ada' },
    });
  });

  it('tries again at once, and tells how a message ended', async () => {
    const attempts: number[] = [];
    const failing = plugin('failing', (ctx) => {
      ctx.on('message', ({ attempt, message }) => {
        attempts.push(attempt);
        if (message.content === 'never') throw new PermanentError('not this one');
        if (attempt < 3) throw new Error('not yet');
      });
    });
    const bot = await running({ plugins: [failing] });
    expect(await bot.deliver()).toEqual({ status: 'done' });
    expect(attempts).toEqual([1, 2, 3]);
    expect(await bot.deliver('never')).toMatchObject({ status: 'dead', attempts: 1 });
  });

  it('rejects as the start does', async () => {
    const broken = plugin(
      'broken',
      (ctx) => void ctx.on('init', () => Promise.reject(new Error('no table'))),
    );
    await expect(testKernel({ plugins: [broken], fakeClock: true })).rejects.toMatchObject({
      code: 'E_PLUGIN_FAILED',
      plugin: 'broken',
    });
    expect(await (await testKernel({ fakeClock: true })).stop()).toMatchObject({ ok: true });
  });

  it('answers the report of its stop, which names what hangs', async () => {
    const hanging = plugin('hanging', (ctx) => void ctx.on('stop', () => new Promise(() => {})));
    const bot = await testKernel({ plugins: [hanging], timeouts: { stopMs: 20 } });
    expect(await bot.stop('enough')).toMatchObject({
      reason: 'enough',
      ok: false,
      forced: [{ plugin: 'hanging', phase: 'stop' }],
    });
  });

  it('gives its agent a key, and its transport way to a plugin that brings one', async () => {
    const own = new MockTransport();
    const carrier = definePlugin({
      name: 'carrier',
      version: '1.0.0',
      apiVersion: 1,
      requires: { agent: services.agent },
      provides: [services.transport],
      setup(ctx, _options, { agent }) {
        ctx.provide(services.transport, own);
        ctx.on('init', async () => {
          const { apiKey, apiBaseUrl } = agent.credential();
          await own.connect({ agentId: agent.id, apiKey: apiKey.reveal(), apiBaseUrl });
          ctx.logger.info(`connected with ${apiKey.reveal()}`);
        });
      },
    });
    const bot = await running({ plugins: [carrier(), echo] });
    await bot.deliver();
    expect(own.pushed).toHaveLength(1);
    expect(bot.logged('connected with')[0]?.message).toMatch(/^connected with sk_test_\w{3}…$/);
  });
});

describe('a test kernel with a fake clock', () => {
  const ticking = plugin('ticking', (ctx) => {
    ctx.on('start', () => {
      ctx.task('tick', async (signal) => {
        for (;;) {
          await sleep(60_000, undefined, { signal });
          ctx.logger.info(`tick at ${new Date().toISOString()}`);
        }
      });
      const timer = setInterval(() => ctx.logger.info('tock'), 25_000);
      ctx.defer(() => clearInterval(timer));
    });
  });

  it('passes time when it is told to', async () => {
    const before = Date.now();
    const bot = await testKernel({ plugins: [ticking], fakeClock: true });
    await bot.advance(59_999);
    expect(bot.logged('tick')).toEqual([]);
    expect(bot.logged('tock')).toHaveLength(2);
    await bot.advance(60_001);
    const ticks = bot.logged('tick').map(({ message }) => Date.parse(message.slice('tick at '.length)));
    expect(ticks[1]! - ticks[0]!).toBe(60_000);
    expect(Date.now() - before).toBeGreaterThanOrEqual(120_000);
    expect(await bot.stop()).toMatchObject({ ok: true });
    expect(Date.now() - before).toBeLessThan(120_000);
  });

  it('holds the retries of the kernel too', async () => {
    const failing = plugin('failing', (ctx) => {
      ctx.on('message', ({ attempt }) => {
        if (attempt === 1) throw new Error('not yet');
      });
    });
    const bot = await running({
      plugins: [failing],
      fakeClock: true,
      inbox: { retryBaseMs: 30_000, retryMaxMs: 60_000 },
    });
    let ended = false;
    const delivering = bot.deliver().then(() => {
      ended = true;
    });
    await bot.advance(10_000);
    expect(ended).toBe(false);
    await bot.advance(30_000);
    await delivering;
  });

  it('is the only one, and the real one comes back', async () => {
    const real = setTimeout;
    const bot = await testKernel({ fakeClock: true });
    expect(setTimeout).not.toBe(real);
    await expect(testKernel({ fakeClock: true })).rejects.toThrow('a fake clock is in use already');
    await bot.stop();
    expect(setTimeout).toBe(real);
    await expect((await testKernel()).advance(1)).rejects.toThrow('fakeClock: true');
  });
});

/** Stopped at the end of the test. */
async function running(config: TestKernelConfig) {
  const bot = await testKernel(config);
  onTestFinished(async () => void (await bot.stop()));
  return bot;
}
