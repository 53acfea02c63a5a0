import { expect, it } from 'vitest';
import { Slots } from './slots.ts';

const { signal } = new AbortController();

it('lets so many work at once, the others in their order', async () => {
  const slots = new Slots(2);
  const order: number[] = [];
  let working = 0;
  let most = 0;
  const work = (n: number) => async () => {
    order.push(n);
    working += 1;
    most = Math.max(most, working);
    await new Promise((resolve) => setImmediate(resolve));
    working -= 1;
  };
  await Promise.all([0, 1, 2, 3, 4].map((n) => slots.use(signal, work(n))));
  expect({ order, most }).toEqual({ order: [0, 1, 2, 3, 4], most: 2 });
});

it('gives the slot on after a failure', async () => {
  const slots = new Slots(1);
  await expect(slots.use(signal, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await slots.use(signal, async () => 'next')).toBe('next');
});

it('lets a waiter go whose signal aborts, and keeps its place for nobody', async () => {
  const slots = new Slots(1);
  let finish = () => {};
  const first = slots.use(signal, () => new Promise<void>((resolve) => (finish = resolve)));
  const abort = new AbortController();
  const second = slots.use(abort.signal, async () => 'never');
  const third = slots.use(signal, async () => 'third');
  abort.abort(new Error('gave up'));
  await expect(second).rejects.toThrow('gave up');
  finish();
  await first;
  expect(await third).toBe('third');
  await expect(slots.use(abort.signal, async () => 'never')).rejects.toThrow('gave up');
  expect(await slots.use(signal, async () => 'free again')).toBe('free again');
});
