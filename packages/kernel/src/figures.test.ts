import { MockTransport } from '@cleocode/contracts/testing';
import { afterEach, expect, it, vi } from 'vitest';
import { Figures } from './figures.ts';
import { define, kernelOf } from './kernel.test.kit.ts';

afterEach(() => vi.restoreAllMocks());

it('counts the calls of a plugin, retries included, and says how long one took on average', async () => {
  let fails = 1;
  const kernel = kernelOf({
    agent: 'me',
    transport: new MockTransport(),
    inbox: { retryBaseMs: 1 },
    plugins: [
      define({
        name: 'worker',
        setup(ctx) {
          ctx.on('message', async () => {
            if (fails-- > 0) throw new Error('not yet');
          });
        },
      })(),
    ],
  });
  await kernel.start();
  await kernel.dispatch({ id: 'm1', from: 'ada', content: 'x', timestamp: '' });
  const worker = kernel.describe().plugins.find(({ name }) => name === 'worker');
  expect(worker!.messages).toEqual({ count: 2, failed: 1, meanMs: expect.any(Number) });
  await kernel.stop();
});

it('times every call that answers at once', () => {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const figures = new Figures();
  const handler = figures.observing(() => {
    now += 2;
  });
  expect(figures.messages).toEqual({ count: 0 });
  for (let call = 0; call < 1_000; call++) handler({} as never);
  expect(figures.messages).toEqual({ count: 1_000, meanMs: 2 });
});

it('times every promise at first and one in sixteen later, each for as many as it stands for', async () => {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const figures = new Figures();
  const waits: PromiseWithResolvers<void>[] = [];
  const handler = figures.observing(() => {
    waits.push(Promise.withResolvers<void>());
    return waits.at(-1)!.promise;
  });
  for (let call = 0; call < 1_000; call++) {
    handler({} as never);
    now += 2;
    waits.at(-1)!.resolve();
    await waits.at(-1)!.promise;
  }
  expect(figures.messages).toEqual({ count: 1_000, meanMs: 2 });
  expect(vi.mocked(performance.now).mock.calls.length).toBeLessThan(2_200);
});

it('notices what took a second to return, and not what took long to settle', async () => {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const onBlocked = vi.fn();
  const figures = new Figures(onBlocked);
  const pass = (ms: number): void => {
    now += ms;
  };
  figures.observing(() => pass(999))({} as never);
  await figures.observing(() => Promise.resolve().then(() => pass(5_000)))({} as never);
  expect(onBlocked).not.toHaveBeenCalled();
  figures.observing(async () => pass(1_000))({} as never);
  expect(onBlocked.mock.calls).toEqual([[1_000]]);
});

it('times what throws, and leaves a thenable to whoever waits for it', () => {
  const figures = new Figures();
  // biome-ignore lint/suspicious/noThenProperty: a handler may answer anything
  const lazy = { then: vi.fn() };
  expect(figures.observing(() => lazy)({} as never)).toBe(lazy);
  expect(lazy.then).not.toHaveBeenCalled();
  const failing = figures.observing(() => {
    throw new Error('broken');
  });
  expect(() => failing({} as never)).toThrow('broken');
  expect(figures.messages).toEqual({ count: 2, meanMs: expect.any(Number) });
});
