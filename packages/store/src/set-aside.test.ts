import type { ConduitMessage, InboxEvent } from '@cleocode/contracts';
import { createKernel, createLogger, type Delivery, definePlugin } from '@cleocode/kernel';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { store as storePlugin } from './plugin.ts';
import { refusal, temporaryFolders, temporaryStore } from './temporary.test.util.ts';

const LOOP = { cause: 'hops', reason: 'nine answers in a row' } as const;
const SOON = { interval: 5 };

const message = (id: string, more: Partial<ConduitMessage> = {}): ConduitMessage => ({
  id,
  from: 'alice',
  content: `content of ${id}`,
  timestamp: '2026-01-01T00:00:00Z',
  threadId: 'talk',
  ...more,
});
const hop = (id: string, hops: number) => message(id, { metadata: { cleo: { hops } } });

/** A store where `bob` has set conversations aside, each with these messages. */
async function storeWith(conversations: Record<string, string[]>) {
  const folders = temporaryFolders();
  const store = await temporaryStore(folders);
  const journal = store.journalFor('bob');
  for (const [conversation, ids] of Object.entries(conversations))
    for (const id of ids) {
      await journal.begin(`key-${id}`);
      await journal.asides.hold(conversation, { key: `key-${id}`, message: message(id) }, LOOP);
    }
  return { folders, store, journal, asides: store.setAsideFor('bob') };
}

describe('a conversation that is set aside', () => {
  it('is listed with what is held of it, the earliest first', async () => {
    const { asides } = await storeWith({ first: ['a', 'b'], second: ['c'] });
    const common = { ...LOOP, since: expect.stringMatching(/^\d{4}-/), resuming: false };
    const list = await asides.list();
    expect(list.toSorted((a, b) => b.held - a.held)).toEqual([
      { conversation: 'first', ...common, held: 2 },
      { conversation: 'second', ...common, held: 1 },
    ]);
    expect(await asides.get('second')).toMatchObject({ conversation: 'second', held: 1 });
    expect(await asides.messages('first')).toEqual([message('a'), message('b')]);
    expect(await asides.messages('first', { limit: 1 })).toEqual([message('a')]);
  });

  it('is only its own agent’s', async () => {
    const { store } = await storeWith({ talk: ['a'] });
    const others = store.setAsideFor('eve');
    await others.resume('talk');
    expect([await others.list(), await others.drop('talk')]).toEqual([[], 0]);
    expect(await store.setAsideFor('bob').get('talk')).toMatchObject({ held: 1, resuming: false });
  });

  it('that does not exist is named', async () => {
    const { asides } = await storeWith({});
    expect(await refusal(asides.get('talk'))).toMatchObject({
      code: 'E_NOT_FOUND_SET_ASIDE',
      message: 'agent "bob" has no conversation "talk" set aside',
      hint: 'List them: cleo agent set-aside bob list',
    });
  });

  it('is dropped with what is held of it, which counts as done', async () => {
    const { asides, journal } = await storeWith({ talk: ['a', 'b'], more: ['c'], other: ['d'] });
    expect(await asides.drop('talk')).toBe(2);
    expect(await journal.begin('key-a')).toEqual({ state: 'done' });
    expect((await asides.list()).map(({ conversation }) => conversation).toSorted()).toEqual([
      'more',
      'other',
    ]);
    expect(await asides.dropAll()).toEqual({ conversations: 2, messages: 2 });
    expect(await asides.list()).toEqual([]);
  });

  it('is no dead letter, and is not forgotten with age', async () => {
    const { folders } = await storeWith({ talk: ['a'] });
    const store = await temporaryStore({ ...folders, retention: { minAgeMs: 0, minCount: 0 } });
    const journal = store.journalFor('bob');
    for (let n = 0; n < 600; n++) await Promise.all([journal.begin(`new ${n}`), journal.done(`new ${n}`)]);
    const letters = store.deadLettersFor('bob');
    expect([await letters.count(), letters.pendingReplays()]).toEqual([0, []]);
    expect(await journal.asides.next('talk')).toEqual({ key: 'key-a', message: message('a') });
  });

  it('takes back a dead letter of it that is replayed meanwhile', async () => {
    const { store, journal, asides } = await storeWith({ talk: ['a'] });
    await journal.begin('key-d');
    await journal.dead('key-d', message('d'), 'poison');
    await store.deadLettersFor('bob').replay('d');
    await journal.begin('key-d');
    expect(await asides.hold('talk', { key: 'key-d', message: message('d') })).toBe('held');
    expect(store.deadLettersFor('bob').pendingReplays()).toEqual([]);
    expect(await asides.get('talk')).toMatchObject({ held: 2 });
  });
});

describe('a running agent', () => {
  async function start(folders: { dir: string; dataDir: string }) {
    const handled: string[] = [];
    const events: InboxEvent[] = [];
    const probe = definePlugin({
      name: 'probe',
      version: '0.0.0',
      apiVersion: 1,
      setup: (ctx) => void ctx.on('message', (delivery: Delivery) => void handled.push(delivery.message.id)),
    });
    const logger = createLogger('error', () => {});
    const kernel = createKernel({ plugins: [storePlugin(folders), probe()], logger });
    onTestFinished(async () => void (await kernel.stop()));
    kernel.inbox.observe((event) => void events.push(event));
    await kernel.start();
    const receive = (...messages: ConduitMessage[]) =>
      kernel.inbox.receive(messages, { name: 'test', ackable: true });
    return { kernel, handled, receive, held: () => events.filter(({ type }) => type === 'held').length };
  }

  async function foldersWithBob() {
    const folders = temporaryFolders();
    const store = await temporaryStore(folders);
    await store.registry.register({ agentId: 'bob', apiKey: 'sk_live_x', apiBaseUrl: 'https://example.com' });
    return { folders, asides: store.setAsideFor('bob') };
  }

  it('notices that another process has resumed a conversation, or dropped it', async () => {
    const { folders, asides } = await foldersWithBob();
    const { kernel, handled, receive, held } = await start(folders);
    receive(hop('a', 9), hop('b', 0), { ...hop('gone', 9), threadId: 'dull' });
    await vi.waitUntil(() => held() === 3, SOON);
    await asides.drop('dull');
    await asides.resume('talk');
    await vi.waitUntil(() => kernel.inbox.aside().length === 0, SOON);
    expect(handled).toEqual(['a', 'b']);
    expect(await asides.list()).toEqual([]);
    receive(hop('c', 0), { ...hop('d', 0), threadId: 'dull' });
    await vi.waitUntil(() => handled.length === 4, SOON);
  });

  it('finds everything as it was after a restart, and what was resumed meanwhile', async () => {
    const { folders, asides } = await foldersWithBob();
    const first = await start(folders);
    first.receive(hop('a', 9), { ...hop('x', 9), threadId: 'dull' });
    await vi.waitUntil(() => first.held() === 2, SOON);
    await first.kernel.stop();
    await asides.resume('talk');
    const second = await start(folders);
    second.receive(hop('b', 0), { ...hop('y', 0), threadId: 'dull' });
    await vi.waitUntil(() => second.handled.length === 2 && second.held() === 1, SOON);
    expect(second.handled).toEqual(['a', 'b']);
    expect(second.kernel.inbox.stats().aside).toMatchObject({ conversations: 1 });
    expect(await asides.list()).toMatchObject([{ conversation: 'dull', held: 2 }]);
    expect(await second.kernel.inbox.resume('dull')).toBe(true);
    await vi.waitUntil(() => second.handled.length === 4, SOON);
    expect(second.handled.slice(2)).toEqual(['x', 'y']);
  });
});
