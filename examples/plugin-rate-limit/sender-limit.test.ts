import { beforeEach, expect, it } from 'vitest';
import { SenderLimit } from './sender-limit.ts';

let time: number;
const now = () => time;
const limitOf = (limit: number, maxSenders = 100) =>
  new SenderLimit({ limit, windowMs: 60_000, maxSenders, now });

beforeEach(() => {
  time = 1_000_000;
});

it('lets so many through in any minute, and says when a sender is over it for the first time', () => {
  const senders = limitOf(2);
  const verdicts = [0, 20_000, 10_000, 10_000, 19_999, 1, 20_000, 1].map((later) => {
    time += later;
    return senders.take('alice');
  });
  expect(verdicts).toEqual(['through', 'through', 'first', 'over', 'over', 'through', 'through', 'first']);
});

it('counts each sender alone', () => {
  const senders = limitOf(1);
  expect(['alice', 'bob', 'alice'].map((from) => senders.take(from))).toEqual([
    'through',
    'through',
    'first',
  ]);
});

it('forgets who has sent nothing for a minute', () => {
  const senders = limitOf(1);
  for (let n = 0; n < 50; n++) senders.take(`agent-${n}`);
  expect(senders.size).toBe(50);
  time += 60_000;
  senders.take('alice');
  expect(senders.size).toBe(1);
});

it('holds no more senders than it may, and drops who was let through longest ago', () => {
  const senders = limitOf(1, 3);
  for (const from of ['a', 'b', 'c', 'd']) senders.take(from);
  expect(senders.size).toBe(3);
  expect(senders.take('d')).toBe('first');
  expect(senders.take('a')).toBe('through');
  for (let n = 0; n < 1_000; n++) senders.take(`agent-${n}`);
  expect(senders.size).toBe(3);
});
