import type { Journal } from '@cleocode/contracts';
import { journalRules } from '@cleocode/contracts/testing';
import { expect, it } from 'vitest';
import { message } from '../kernel.test.kit.ts';
import { MemoryJournal } from './memory-journal.ts';

it.each(journalRules.filter(({ durable }) => !durable))('$name', ({ run }) => run(() => new MemoryJournal()));

it('remembers at least the newest 100,000 keys and forgets what is much older', () => {
  const journal = new MemoryJournal();
  for (let n = 0; n < 250_000; n++) {
    journal.begin(`key ${n}`);
    if (n % 2) journal.done(`key ${n}`);
    else (journal as Journal).dead(`key ${n}`, message(), 'gave up');
  }
  const state = (n: number) => journal.begin(`key ${n}`).state;
  for (const n of [150_001, 200_001, 249_999]) expect(state(n)).toBe('done');
  for (const n of [150_000, 249_998]) expect(state(n)).toBe('dead');
  expect(state(1)).toBe('begun');
});
