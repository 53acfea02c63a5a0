import { CleoError, type Journal } from '@cleocode/contracts';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { never } from '../kernel.test.kit.ts';
import { FaultyJournal } from './inbox.test.kit.ts';
import { GAVE_UP, PatientJournal } from './patient-journal.ts';
import { Problems } from './problems.ts';

const full = () => new CleoError('E_STORAGE_FULL', 'no space left on the device');
const begin = (journal: Journal, key: string) => journal.begin(key);
const done = (journal: Journal, key: string) => journal.done(key);

function patient(journal: Journal) {
  const events: [code: string, resolved: boolean][] = [];
  const problems = new Problems(({ code, resolved }) => void events.push([code, resolved]));
  const givenUp = new AbortController();
  const ask = new PatientJournal(journal, problems, givenUp.signal, 'acme');
  return { ask, events, problems, givenUp };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(1);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it('answers at once, without a promise, what the journal answers at once', () => {
  const { ask } = patient(new FaultyJournal());
  expect(ask.ask(begin, 'a')).toEqual({ state: 'begun', attempt: 1, failures: 0 });
});

it('asks until the journal answers: after 250 ms, doubling to 5 s, whether it throws or rejects', async () => {
  const journal = new FaultyJournal();
  journal.broken.set('begin', full());
  const times: number[] = [];
  const began = performance.now();
  const { ask, events } = patient(journal);
  const answered = vi.fn();
  void Promise.resolve(
    ask.ask((one, key) => {
      times.push(performance.now() - began);
      if (times.length === 2) throw full();
      return one.begin(key);
    }, 'a'),
  ).then(answered);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(times).toEqual([0, 250, 750, 1_750, 3_750, 7_750, 12_750, 17_750]);
  expect(events).toEqual([['storage_full', false]]);
  expect(answered).not.toHaveBeenCalled();
  journal.broken.clear();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(answered).toHaveBeenCalledExactlyOnceWith({ state: 'begun', attempt: 1, failures: 0 });
  expect(events).toEqual([
    ['storage_full', false],
    ['storage_full', true],
  ]);
});

it('takes the problem for solved only when everything that failed has worked', async () => {
  const journal = new FaultyJournal();
  journal.broken.set('done', full());
  const { ask, events } = patient(journal);
  void ask.ask(done, 'a');
  void ask.ask(done, 'b');
  await vi.advanceTimersByTimeAsync(100);
  // Reading still works on a full disk; that it does proves nothing.
  await ask.ask(async (one, key) => one.begin(key), 'c');
  ask.ask(begin, 'd');
  expect(events).toEqual([['storage_full', false]]);
  journal.broken.clear();
  await vi.advanceTimersByTimeAsync(250);
  expect(events).toEqual([
    ['storage_full', false],
    ['storage_full', true],
  ]);
});

it('calls an error without a code of its own a storage error, says whose, keeps its text, and says what happens next', async () => {
  const { ask, problems } = patient(new FaultyJournal());
  void ask.ask(() => Promise.reject(new Error('what is this?')), 'a');
  await vi.advanceTimersByTimeAsync(100);
  expect(problems.list()).toEqual([
    {
      code: 'storage_error',
      message: 'the journal of acme failed: what is this?',
      hint: expect.stringContaining('tried again by itself'),
      sinceMs: 100,
    },
  ]);
});

it('says that the journal does not answer, after 10 s, until it does', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { ask, events, problems } = patient(new FaultyJournal());
  const answer = ask.ask(() => promise, 'a');
  await vi.advanceTimersByTimeAsync(9_999);
  expect(events).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(problems.list()).toMatchObject([
    { code: 'storage_stalled', message: 'the journal of acme has not answered for 10000 ms' },
  ]);
  resolve();
  await answer;
  expect(events).toEqual([
    ['storage_stalled', false],
    ['storage_stalled', true],
  ]);
  expect(vi.getTimerCount()).toBe(0);
});

it('gives up between two tries when it is told to, and does not call the problem solved', async () => {
  const journal = new FaultyJournal();
  journal.broken.set('done', full());
  const { ask, events, givenUp } = patient(journal);
  const answer = ask.ask(done, 'a');
  await vi.advanceTimersByTimeAsync(100);
  givenUp.abort();
  expect(await answer).toBe(GAVE_UP);
  expect(events).toEqual([['storage_full', false]]);
  expect(vi.getTimerCount()).toBe(0);
});

it('says nothing of a journal that stalls once the inbox has given up', async () => {
  const { ask, events, givenUp } = patient(new FaultyJournal());
  void ask.ask(never, 'a');
  givenUp.abort();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(events).toEqual([]);
});

it('asks once more even after it was told to give up: what has ended may still be written down', async () => {
  const journal = new FaultyJournal();
  const { ask, givenUp } = patient(journal);
  givenUp.abort();
  expect(await ask.ask(async (one, key) => one.done(key), 'a')).toBeUndefined();
  expect(journal.methodsFor('a')).toEqual(['done']);
});
