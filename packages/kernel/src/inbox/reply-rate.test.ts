import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ReplyRate } from './reply-rate.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

const counted = (rate: ReplyRate, times: number, conversation = 'talk') => {
  for (let n = 0; n < times; n++) rate.count(conversation);
};

it('counts each conversation by itself', () => {
  const rate = new ReplyRate();
  counted(rate, 3);
  counted(rate, 1, 'other');
  expect([rate.of('talk'), rate.of('other'), rate.of('third')]).toEqual([3, 1, 0]);
  rate.forget('talk');
  expect(rate.of('talk')).toBe(0);
});

it('lets a minute fade as the next one passes', () => {
  const rate = new ReplyRate();
  vi.advanceTimersByTime(60_000 - (performance.now() % 60_000));
  counted(rate, 40);
  vi.advanceTimersByTime(60_000);
  expect(rate.of('talk')).toBe(40);
  vi.advanceTimersByTime(30_000);
  expect(rate.of('talk')).toBe(20);
  counted(rate, 1);
  expect(rate.of('talk')).toBe(21);
  vi.advanceTimersByTime(90_000);
  expect(rate.of('talk')).toBe(0);
});

it('remembers a bounded number of conversations, those that were answered last', () => {
  const rate = new ReplyRate();
  for (let n = 0; n < 1_500; n++) rate.count(`talk ${n}`);
  expect([rate.of('talk 0'), rate.of('talk 1499')]).toEqual([0, 1]);
});
