import { expect, it, onTestFinished, vi } from 'vitest';
import { testDock } from '../dock.test.kit.ts';
import { keepIndexing } from './indexing.ts';
import { serve } from './serve.ts';

const FAST_MS = 5;

it('indexes what was sent, without anybody searching', async () => {
  const dock = await testDock(['alice', 'bob']);
  const indexed: number[] = [];
  const indexForSearch = async (options = {}) => {
    const count = await dock.indexForSearch(options);
    indexed.push(count);
    return count;
  };
  const indexing = keepIndexing({ indexForSearch }, () => {}, FAST_MS);
  onTestFinished(() => indexing.stop());
  await vi.waitUntil(() => indexed.length > 0);
  await dock.send('alice', 'bob', { content: 'fox' });
  await vi.waitUntil(() => indexed.includes(1));
});

it('tells of a failure and goes on', async () => {
  const failures: unknown[] = [];
  const indexForSearch = vi.fn().mockRejectedValueOnce('disk').mockResolvedValue(0);
  const indexing = keepIndexing({ indexForSearch }, (error) => failures.push(error), FAST_MS);
  await vi.waitUntil(() => indexForSearch.mock.calls.length >= 3);
  expect(failures).toEqual(['disk']);
  await indexing.stop();
});

it('ends while it indexes', async () => {
  const indexForSearch = vi.fn(
    ({ signal }: { signal?: AbortSignal } = {}) =>
      new Promise<number>((resolve) => signal!.addEventListener('abort', () => resolve(0))),
  );
  const indexing = keepIndexing({ indexForSearch }, () => {});
  await indexing.stop();
  expect(indexForSearch).toHaveBeenCalledOnce();
});

it('runs while a server does', async () => {
  const dock = await testDock();
  const indexForSearch = vi.fn(dock.indexForSearch);
  const server = await serve({ dock: { ...dock, indexForSearch }, port: 0 });
  await vi.waitUntil(() => indexForSearch.mock.calls.length === 1);
  await server.close();
});
