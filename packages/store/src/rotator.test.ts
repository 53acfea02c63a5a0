import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CleoError, type KeyIssuer, WireError } from '@cleocode/contracts';
import { acquireLock } from '@cleocode/sqlite';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { refusal, temporaryFolders, temporaryStore } from './temporary.test.util.ts';

const LATER = '2999-01-01T00:00:00.000Z';
const REFUSED = new WireError('E_AUTH_INVALID_TOKEN', 'no such key');

/** A store in which `bob` has the key `old`, and the issuer it was opened with: it overlaps, and makes `new-1`, `new-2`, … */
async function world(verify?: KeyIssuer['verify']) {
  let made = 0;
  const issue = vi.fn<KeyIssuer['issue']>(async () => ({
    apiKey: `new-${++made}`,
    issuedAt: '2026-01-01T00:00:00.000Z',
    previousKeyExpiresAt: LATER,
  }));
  const issuer: KeyIssuer = { issue, ...(verify && { verify }) };
  const folders = temporaryFolders();
  const store = await temporaryStore({ ...folders, issuer });
  const { registry } = store;
  await registry.register({ agentId: 'bob', apiKey: 'old' });
  const askedAs = () => issue.mock.calls.map(([, { idempotencyKey }]) => idempotencyKey);
  const key = async () => (await registry.get('bob'))?.apiKey;
  const state = async () => (await registry.rotation('bob'))?.state;
  return { ...folders, file: store.file, registry, issuer, issue, askedAs, key, state };
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

describe('a rotation', () => {
  it('verifies the new key while the old one is in use, then uses it and remembers the old one', async () => {
    const seen: unknown[] = [];
    const { registry, key, state } = await world(async (apiKey) => {
      seen.push([apiKey.reveal(), await key(), await state()]);
    });
    expect(await registry.rotation('bob')).toBeNull();
    await registry.rotateKey('bob');
    expect(seen).toEqual([['new-1', 'old', 'stored']]);
    expect(await registry.get('bob')).toMatchObject({
      apiKey: 'new-1',
      keyIssuedAt: '2026-01-01T00:00:00.000Z',
    });
    expect(await registry.rotation('bob')).toEqual({
      state: 'active',
      begunAt: expect.any(String),
      previousKeyExpiresAt: LATER,
    });
    await registry.retireKey('bob');
    expect(await registry.rotation('bob')).toBeNull();
    expect(await key()).toBe('new-1');
  });

  it('uses the new key at once where the old one is dead, and has nothing to remember', async () => {
    const verify = vi.fn<NonNullable<KeyIssuer['verify']>>(async () => {});
    const { registry, issue, key } = await world(verify);
    issue.mockResolvedValueOnce({ apiKey: 'new', issuedAt: LATER, previousKeyExpiresAt: LATER });
    await registry.rotateKey('bob');
    expect(await key()).toBe('new');
    expect(await registry.rotation('bob')).toBeNull();
    expect(verify).not.toHaveBeenCalled();
  });

  it('takes the time of issue from the backend’s clock where the answer does not say', async () => {
    const { registry, issuer } = await world();
    const now = () => Date.parse('2020-02-02T00:00:00Z');
    await registry.rotateKey('bob', { issuer: { ...issuer, issue: async () => ({ apiKey: 'new' }), now } });
    expect((await registry.get('bob'))?.keyIssuedAt).toBe('2020-02-02T00:00:00.000Z');
  });

  it('of a key that was replaced meanwhile asks nobody, and answers the key that is in use', async () => {
    const { registry, issue, key, state } = await world();
    await registry.rotateKey('bob', { replaces: 'old' });
    expect(await registry.rotateKey('bob', { replaces: 'old' })).toEqual({
      agentId: 'bob',
      newApiKey: 'new-1',
    });
    expect(issue).toHaveBeenCalledTimes(1);
    expect([await key(), await state()]).toEqual(['new-1', 'active']);
    await registry.rotateKey('bob', { replaces: 'new-1' });
    expect(await key()).toBe('new-2');
  });

  it('hands the wanted overlap on', async () => {
    const { registry, issue } = await world();
    await registry.rotateKey('bob', { overlapSeconds: 7 });
    expect(issue.mock.calls[0]![1]).toMatchObject({ overlapSeconds: 7 });
  });
});

describe('a rotation that was cut short', () => {
  it('goes on with the key that is stored, without asking for another', async () => {
    const gone = new CleoError('E_TRANSPORT_UNREACHABLE', 'gone', { retryable: true });
    const verify = vi.fn<NonNullable<KeyIssuer['verify']>>(async () => {}).mockRejectedValueOnce(gone);
    const { registry, issue, key, state } = await world(verify);
    await expect(registry.rotateKey('bob')).rejects.toBe(gone);
    expect([await key(), await state()]).toEqual(['old', 'stored']);
    expect((await registry.rotateKey('bob')).newApiKey).toBe('new-1');
    expect(issue).toHaveBeenCalledTimes(1);
  });

  it('asks again in the same words when the backend refuses the key it has made', async () => {
    const verify = vi.fn<NonNullable<KeyIssuer['verify']>>(async () => {}).mockRejectedValueOnce(REFUSED);
    const { registry, askedAs, key, state } = await world(verify);
    const error = await refusal(registry.rotateKey('bob'));
    expect(error).toMatchObject({
      code: 'E_ROTATION_FAILED',
      message: 'the backend refuses the key that it has just made for "bob"',
      retryable: true,
      cause: REFUSED,
    });
    expect([await key(), await state()]).toEqual(['old', 'intent']);
    await registry.rotateKey('bob');
    expect(await key()).toBe('new-2');
    expect(askedAs()[1]).toBe(askedAs()[0]);
  });

  it('asks again in the same words when the stored key was damaged', async () => {
    const verify = vi
      .fn<NonNullable<KeyIssuer['verify']>>(async () => {})
      .mockRejectedValueOnce(new Error('gone'));
    const { registry, file, askedAs, key } = await world(verify);
    await expect(registry.rotateKey('bob')).rejects.toThrow('gone');
    const other = new DatabaseSync(file);
    other.exec('UPDATE key_rotations SET next_key = zeroblob(40)');
    other.close();
    await registry.rotateKey('bob');
    expect(await key()).toBe('new-2');
    expect(askedAs()[1]).toBe(askedAs()[0]);
  });

  it('is given up when a later one has replaced it at the backend', async () => {
    const { registry, issue, askedAs, key, state } = await world();
    const replaced = new WireError('E_CONFLICT_DUPLICATE', 'a later rotation has replaced this one');
    issue.mockRejectedValueOnce(replaced);
    await expect(registry.rotateKey('bob')).rejects.toBe(replaced);
    expect(await state()).toBeUndefined();
    await registry.rotateKey('bob');
    expect(await key()).toBe('new-1');
    expect(askedAs()[1]).not.toBe(askedAs()[0]);
  });

  it('is over when somebody stores another key, and goes on when it is the same', async () => {
    const { registry, issue, state } = await world();
    issue.mockRejectedValue(new Error('not today'));
    await expect(registry.rotateKey('bob')).rejects.toThrow('not today');
    await registry.register({ agentId: 'bob', apiKey: 'old', displayName: 'Bob' });
    expect(await state()).toBe('intent');
    await registry.register({ agentId: 'bob', apiKey: 'typed in' });
    expect(await state()).toBeUndefined();
  });

  it('waits while its callers do, and ends with the last of them; the next call goes on', async () => {
    const { registry, issuer, state, key } = await world();
    const signals: AbortSignal[] = [];
    const hanging: KeyIssuer = {
      issue: (_, { signal }) => {
        signals.push(signal!);
        return new Promise(() => {});
      },
    };
    const [first, second] = [new AbortController(), new AbortController()];
    const calls = [first, second].map(({ signal }) => registry.rotateKey('bob', { issuer: hanging, signal }));
    const ends = Promise.allSettled(calls);
    await vi.waitUntil(() => signals.length > 0);
    first.abort(new Error('first'));
    await expect(calls[0]).rejects.toThrow('first');
    expect(signals[0]!.aborted).toBe(false);
    second.abort(new Error('second'));
    await expect(calls[1]).rejects.toThrow('second');
    await ends;
    expect(signals[0]!.aborted).toBe(true);
    expect([await key(), await state()]).toEqual(['old', 'intent']);
    await registry.rotateKey('bob', { issuer });
    expect(await key()).toBe('new-1');
  });
});

describe('a backend', () => {
  it.each([
    ['the key that is in use', { apiKey: 'old' }],
    ['nothing', { apiKey: '' }],
  ])('that answers %s has made no new key', async (_, answer) => {
    const { registry, issue, key, state } = await world();
    issue.mockResolvedValueOnce(answer);
    expect(await refusal(registry.rotateKey('bob'))).toMatchObject({
      code: 'E_ROTATION_FAILED',
      message: 'the backend was asked for a new key of "bob" and answered none',
    });
    expect([await key(), await state()]).toEqual(['old', 'intent']);
  });

  it('that does not answer is waited for half a minute', async () => {
    const { registry, issue, key } = await world();
    issue.mockImplementationOnce(() => new Promise(() => {}));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const ended = refusal(registry.rotateKey('bob'));
    while (issue.mock.calls.length === 0) await soon();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await ended).toMatchObject({
      code: 'E_TRANSPORT_TIMEOUT',
      message: 'making a new key was not done within 30000 ms',
      retryable: true,
    });
    expect(await key()).toBe('old');
  });
});

it('another process that holds a rotation for a minute is named', async () => {
  const { registry, dir, issue } = await world();
  const lock = acquireLock(join(dir, 'run', 'rotation', 'bob.lock'));
  onTestFinished(() => lock.release());
  const start = performance.now();
  let ahead = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => start + ahead);
  onTestFinished(() => void vi.restoreAllMocks());
  const ended = refusal(registry.rotateKey('bob'));
  await soon();
  ahead = 61_000;
  expect(await ended).toMatchObject({
    code: 'E_ROTATION_BUSY',
    message: 'another process rotates the key of "bob" and does not end',
    details: { agentId: 'bob', pid: process.pid },
    cause: expect.objectContaining({ code: 'E_ALREADY_RUNNING' }),
  });
  expect(issue).not.toHaveBeenCalled();
});

describe('a refused key makes way for', () => {
  it('the pending one', async () => {
    const { registry, key, state } = await world(async () => {
      throw new Error('gone');
    });
    await expect(registry.rotateKey('bob')).rejects.toThrow('gone');
    expect(await registry.useAnother('bob', new Set(['old']))).toBe(true);
    expect([await key(), await state()]).toEqual(['new-1', 'active']);
  });

  it('the one it replaced, and back: none is lost', async () => {
    const { registry, key } = await world();
    await registry.update('bob', { keyIssuedAt: '2020-01-01T00:00:00.000Z' });
    await registry.rotateKey('bob');
    expect(await registry.useAnother('bob', new Set(['new-1']))).toBe(true);
    expect(await registry.get('bob')).toMatchObject({
      apiKey: 'old',
      keyIssuedAt: '2020-01-01T00:00:00.000Z',
    });
    // Whoever forgets old keys does not forget this one: nobody knows when it ends.
    expect(await registry.rotation('bob')).toEqual({ state: 'active', begunAt: expect.any(String) });
    expect(await registry.useAnother('bob', new Set(['old']))).toBe(true);
    expect(await registry.get('bob')).toMatchObject({
      apiKey: 'new-1',
      keyIssuedAt: '2026-01-01T00:00:00.000Z',
    });
    expect(await registry.useAnother('bob', new Set(['old', 'new-1']))).toBe(false);
    expect(await key()).toBe('new-1');
  });

  it('none where there is none', async () => {
    const { registry, key } = await world();
    expect(await registry.useAnother('bob', new Set(['old']))).toBe(false);
    expect(await key()).toBe('old');
  });

  it('the one that another process has put in its place already', async () => {
    const { registry, key } = await world();
    expect(await registry.useAnother('bob', new Set(['older']))).toBe(true);
    expect(await key()).toBe('old');
  });
});
