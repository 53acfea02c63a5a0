import type { ConduitMessage } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { refusal, temporaryFolders, temporaryStore } from './temporary.test.util.ts';

const message = (id: string, more: Partial<ConduitMessage> = {}): ConduitMessage => ({
  id,
  from: 'alice',
  content: `content of ${id}`,
  timestamp: '2026-01-01T00:00:00Z',
  ...more,
});

async function storeWithDead(...ids: string[]) {
  const folders = temporaryFolders();
  const store = await temporaryStore(folders);
  const journal = store.journalFor('bob');
  for (const id of ids) {
    await journal.begin(`key-${id}`);
    await journal.failed(`key-${id}`, 'first');
    await journal.begin(`key-${id}`);
    await journal.dead(`key-${id}`, message(id, { threadId: 't', custom: [1] }), `exec: ${id} is poison`);
  }
  return { folders, store, journal, letters: store.deadLettersFor('bob') };
}

describe('a dead letter', () => {
  it('keeps the message whole, its reason, its attempts and its time', async () => {
    const { letters } = await storeWithDead('m1');
    expect(await letters.list()).toEqual([
      {
        key: 'key-m1',
        message: message('m1', { threadId: 't', custom: [1] }),
        reason: 'exec: m1 is poison',
        attempts: 2,
        diedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      },
    ]);
  });

  it('is listed oldest first, and counted', async () => {
    const { letters } = await storeWithDead('m1', 'm2', 'm3');
    expect((await letters.list({ limit: 2 })).map(({ key }) => key)).toEqual(['key-m1', 'key-m2']);
    expect(await letters.count()).toBe(3);
  });

  it('is found by its key and by its message id', async () => {
    const { letters } = await storeWithDead('m1', 'm2');
    expect((await letters.get('key-m2')).message.id).toBe('m2');
    expect((await letters.get('m2')).key).toBe('key-m2');
  });

  it('is only its own agent’s', async () => {
    const { store } = await storeWithDead('m1');
    const others = store.deadLettersFor('eve');
    expect(await others.list()).toEqual([]);
    expect(await others.replayAll()).toBe(0);
    expect(await refusal(others.drop('m1'))).toMatchObject({ code: 'E_NOT_FOUND_DEAD_LETTER' });
  });

  it('that does not exist is named', async () => {
    const { letters } = await storeWithDead('m1');
    const notFound = {
      code: 'E_NOT_FOUND_DEAD_LETTER',
      message: 'agent "bob" has no dead letter "nope"',
      hint: 'List them: cleo agent dead-letters bob list',
    };
    expect(await refusal(letters.get('nope'))).toMatchObject(notFound);
    expect(await refusal(letters.replay('nope'))).toMatchObject(notFound);
    expect(await refusal(letters.drop('nope'))).toMatchObject(notFound);
  });

  it('keeps what can be kept of a message that is not JSON', async () => {
    const { journal, letters } = await storeWithDead();
    await journal.dead('odd', message('m9', { payload: 1n, metadata: { a: 1 } }), 'odd');
    expect((await letters.get('odd')).message).toEqual(message('m9', { metadata: { a: 1 } }));
  });
});

describe('replay', () => {
  it('begins anew with fresh counts, from any connection', async () => {
    const { folders, journal, letters } = await storeWithDead('m1', 'm2');
    const elsewhere = (await temporaryStore(folders)).deadLettersFor('bob');
    expect(await elsewhere.replay('m1')).toBe(1);
    expect(await journal.begin('key-m1')).toEqual({ state: 'begun', attempt: 1, failures: 0 });
    expect(await journal.begin('key-m2')).toEqual({ state: 'dead' });
    expect((await letters.list()).map(({ key }) => key)).toEqual(['key-m2']);
  });

  it('stays marked through attempts and failures, until the message is done', async () => {
    const { journal, letters } = await storeWithDead('m1');
    await letters.replay('m1');
    const marked = () => letters.pendingReplays().map(({ key }) => key);
    expect(marked()).toEqual(['key-m1']);
    await journal.begin('key-m1');
    await journal.failed('key-m1', 'again');
    expect(await journal.begin('key-m1')).toEqual({ state: 'begun', attempt: 2, failures: 1 });
    await journal.release('key-m1');
    expect(marked()).toEqual(['key-m1']);
    expect(letters.messageToReplay('key-m1')?.id).toBe('m1');
    await journal.done('key-m1');
    expect(marked()).toEqual([]);
    expect(letters.messageToReplay('key-m1')).toBeUndefined();
    expect(await letters.count()).toBe(0);
    expect(await journal.begin('key-m1')).toEqual({ state: 'done' });
  });

  it('ends in a new dead letter when it fails again, which can be replayed again', async () => {
    const { journal, letters } = await storeWithDead('m1');
    await letters.replay('m1');
    await journal.begin('key-m1');
    await journal.dead('key-m1', message('m1'), 'still poison');
    expect(letters.pendingReplays()).toEqual([]);
    expect(await letters.get('m1')).toMatchObject({ reason: 'still poison', attempts: 1 });
    expect(await letters.replay('m1')).toBe(1);
  });

  it('of all answers how many', async () => {
    const { letters } = await storeWithDead('m1', 'm2', 'm3');
    await letters.replay('m2');
    expect(await letters.replayAll()).toBe(2);
    expect(letters.pendingReplays()).toHaveLength(3);
    expect(await letters.replayAll()).toBe(0);
  });
});

describe('drop', () => {
  it('forgets the message and never hands its key out again', async () => {
    const { journal, letters } = await storeWithDead('m1', 'm2');
    expect(await letters.drop('m1')).toBe(1);
    expect((await letters.list()).map(({ key }) => key)).toEqual(['key-m2']);
    expect(await journal.begin('key-m1')).toEqual({ state: 'done' });
  });

  it('of all answers how many, and leaves what is being replayed', async () => {
    const { letters } = await storeWithDead('m1', 'm2', 'm3');
    await letters.replay('m2');
    expect(await letters.dropAll()).toBe(2);
    expect(letters.pendingReplays().map(({ key }) => key)).toEqual(['key-m2']);
  });
});
