import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentCredential, KeyIssuer } from '@cleocode/contracts';
import { describe, expect, it, vi } from 'vitest';
import { startChild } from './child.test.util.ts';
import { refusal, temporaryFolders, temporaryStore } from './temporary.test.util.ts';

const KEY = 'sk_live_0123456789abcdef0123456789abcdef';
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('register', () => {
  it('fills in what is not given and answers the whole credential', async () => {
    const { registry } = await temporaryStore();
    const registered = await registry.register({ agentId: 'bob', apiKey: KEY });
    expect(registered).toEqual({
      agentId: 'bob',
      displayName: 'bob',
      apiKey: KEY,
      apiBaseUrl: 'local:',
      privacyTier: 'public',
      capabilities: [],
      skills: [],
      transportType: 'local',
      transportConfig: {},
      isActive: true,
      keyIssuedAt: expect.stringMatching(RFC3339),
      createdAt: expect.stringMatching(RFC3339),
      updatedAt: expect.stringMatching(RFC3339),
    });
    expect(await registry.get('bob')).toEqual(registered);
  });

  it('keeps everything that is given', async () => {
    const { registry } = await temporaryStore();
    const given: AgentCredential = {
      agentId: 'bob',
      displayName: 'Bob',
      apiKey: KEY,
      apiBaseUrl: 'https://api.example.com',
      classification: 'code_dev',
      privacyTier: 'private',
      capabilities: ['chat'],
      skills: ['coding'],
      transportType: 'sse',
      transportConfig: { sseEndpoint: '/stream', nested: { token: 'x' } },
      isActive: false,
      lastUsedAt: '2026-01-02T03:04:05.000Z',
      keyIssuedAt: '2026-01-01T00:00:00.000Z',
      createdAt: '2025-01-01T00:00:00.000Z',
      updatedAt: '2025-01-01T00:00:00.000Z',
    };
    await registry.register(given);
    expect(await registry.get('bob')).toEqual({ ...given, updatedAt: expect.stringMatching(RFC3339) });
  });

  it('takes http for a backend with an address', async () => {
    const { registry } = await temporaryStore();
    const { transportType } = await registry.register({
      agentId: 'bob',
      apiKey: KEY,
      apiBaseUrl: 'https://api.example.com',
    });
    expect(transportType).toBe('http');
  });

  it('replaces the whole credential of an id that exists', async () => {
    const { registry } = await temporaryStore();
    await registry.register({ agentId: 'bob', apiKey: KEY, displayName: 'Old', skills: ['coding'] });
    await registry.register({ agentId: 'bob', apiKey: 'another' });
    expect(await registry.get('bob')).toMatchObject({ apiKey: 'another', displayName: 'bob', skills: [] });
    expect(await registry.list()).toHaveLength(1);
  });

  it('lets the age of a key that is registered again run on', async () => {
    const { registry } = await temporaryStore();
    const keyIssuedAt = '2026-01-01T00:00:00.000Z';
    await registry.register({ agentId: 'bob', apiKey: KEY, keyIssuedAt });
    expect((await registry.register({ agentId: 'bob', apiKey: KEY })).keyIssuedAt).toBe(keyIssuedAt);
    expect((await registry.register({ agentId: 'bob', apiKey: 'new' })).keyIssuedAt).not.toBe(keyIssuedAt);
  });

  it.each(['../etc', 'a/b', 'a..b', '', '.hidden', 'x'.repeat(65), undefined])(
    'refuses the id %j, as every method does',
    async (agentId) => {
      const { registry, journalFor, deadLettersFor } = await temporaryStore();
      const id = agentId as string;
      const invalid = { code: 'E_AGENT_ID_INVALID', hint: expect.stringMatching(/letters|string/) };
      expect(await refusal(registry.register({ agentId: id, apiKey: KEY }))).toMatchObject(invalid);
      expect(await refusal(registry.get(id))).toMatchObject(invalid);
      expect(await refusal(registry.update(id, {}))).toMatchObject(invalid);
      expect(await refusal(registry.remove(id))).toMatchObject(invalid);
      expect(await refusal(registry.markUsed(id))).toMatchObject(invalid);
      expect(await refusal(registry.rotateKey(id))).toMatchObject(invalid);
      expect(() => journalFor(id)).toThrow(expect.objectContaining(invalid));
      expect(() => deadLettersFor(id)).toThrow(expect.objectContaining(invalid));
    },
  );

  it('names the members that do not fit, and stores nothing', async () => {
    const { registry } = await temporaryStore();
    const error = await refusal(
      registry.register({ agentId: 'bob', apiKey: '', transportType: 'pigeon' as 'http' }),
    );
    expect(error.code).toBe('E_CREDENTIAL_INVALID');
    expect(error.message).toMatch(/apiKey: .*; transportType: /);
    expect(await registry.get('bob')).toBeNull();
  });
});

describe('the other methods', () => {
  it('reject where an agent must exist and does not', async () => {
    const { registry } = await temporaryStore({ issuer: { issue: async () => ({ apiKey: 'new' }) } });
    const notFound = {
      code: 'E_NOT_FOUND_AGENT',
      message: 'no credential is stored for agent "nobody"',
      hint: 'List what is registered: cleo agent list',
    };
    expect(await refusal(registry.update('nobody', {}))).toMatchObject(notFound);
    expect(await refusal(registry.remove('nobody'))).toMatchObject(notFound);
    expect(await refusal(registry.markUsed('nobody'))).toMatchObject(notFound);
    expect(await refusal(registry.rotateKey('nobody'))).toMatchObject(notFound);
    expect(await registry.get('nobody')).toBeNull();
    expect(await registry.getActive()).toBeNull();
    expect(await registry.list()).toEqual([]);
  });

  it('list by activity', async () => {
    const { registry } = await temporaryStore();
    await registry.register({ agentId: 'b', apiKey: KEY });
    await registry.register({ agentId: 'a', apiKey: KEY, isActive: false });
    const ids = async (filter?: { active?: boolean }) =>
      (await registry.list(filter)).map(({ agentId }) => agentId);
    expect(await ids()).toEqual(['a', 'b']);
    expect(await ids({ active: true })).toEqual(['b']);
    expect(await ids({ active: false })).toEqual(['a']);
  });

  it('update changes what is given and nothing else', async () => {
    const { registry } = await temporaryStore();
    const before = await registry.register({ agentId: 'bob', apiKey: KEY, skills: ['coding'] });
    const patch = { displayName: 'Bob', skills: undefined, agentId: 'eve' } as Partial<AgentCredential>;
    const after = await registry.update('bob', patch);
    expect(after).toEqual({ ...before, displayName: 'Bob', updatedAt: after.updatedAt });
    expect(await registry.get('bob')).toEqual(after);
  });

  it('remove forgets the credential', async () => {
    const { registry } = await temporaryStore();
    await registry.register({ agentId: 'bob', apiKey: KEY });
    await registry.remove('bob');
    expect(await registry.get('bob')).toBeNull();
  });
});

describe('getActive', () => {
  it('is the agent used last, also within one millisecond', async () => {
    const { registry } = await temporaryStore();
    for (const agentId of ['a', 'b', 'c']) await registry.register({ agentId, apiKey: KEY });
    const marked = ['c', 'a', 'b', 'a'];
    await Promise.all(marked.map((agentId) => registry.markUsed(agentId)));
    expect((await registry.getActive())?.agentId).toBe('a');
  });

  it('is the one registered last while none was used', async () => {
    const { registry } = await temporaryStore();
    for (const agentId of ['b', 'c', 'a']) await registry.register({ agentId, apiKey: KEY });
    expect((await registry.getActive())?.agentId).toBe('a');
    await registry.markUsed('c');
    expect((await registry.getActive())?.agentId).toBe('c');
  });

  it('goes by lastUsedAt where it was given', async () => {
    const { registry } = await temporaryStore();
    await registry.register({ agentId: 'a', apiKey: KEY, lastUsedAt: '2026-02-01T00:00:00.000Z' });
    await registry.register({ agentId: 'b', apiKey: KEY, lastUsedAt: '2026-01-01T00:00:00.000Z' });
    expect((await registry.getActive())?.agentId).toBe('a');
  });

  it('leaves out the inactive', async () => {
    const { registry } = await temporaryStore();
    await registry.register({ agentId: 'a', apiKey: KEY });
    await registry.register({ agentId: 'b', apiKey: KEY });
    await registry.markUsed('b');
    await registry.update('b', { isActive: false });
    expect((await registry.getActive())?.agentId).toBe('a');
  });
});

describe('the age of a key', () => {
  it('changes with the key and with nothing else', async () => {
    const { registry } = await temporaryStore();
    const keyIssuedAt = '2026-01-01T00:00:00.000Z';
    await registry.register({ agentId: 'bob', apiKey: KEY, keyIssuedAt });
    await registry.markUsed('bob');
    await registry.update('bob', { displayName: 'Bob', apiKey: KEY });
    expect(await registry.get('bob')).toMatchObject({
      keyIssuedAt,
      lastUsedAt: expect.stringMatching(RFC3339),
    });
    const updated = await registry.update('bob', { apiKey: 'new' });
    expect(Date.parse(updated.keyIssuedAt!)).toBeGreaterThan(Date.parse(keyIssuedAt));
    const imported = await registry.update('bob', { apiKey: 'newer', keyIssuedAt });
    expect(imported.keyIssuedAt).toBe(keyIssuedAt);
  });

  it('is not told by updatedAt, which markUsed leaves alone too', async () => {
    const { registry } = await temporaryStore();
    const { updatedAt } = await registry.register({ agentId: 'bob', apiKey: KEY });
    await sleep(5);
    await registry.markUsed('bob');
    expect((await registry.get('bob'))?.updatedAt).toBe(updatedAt);
  });
});

describe('rotateKey', () => {
  it('stores the new key before it answers', async () => {
    const issue = vi.fn<KeyIssuer['issue']>(async () => ({ apiKey: 'new' }));
    const { registry } = await temporaryStore({ issuer: { issue } });
    const keyIssuedAt = '2026-01-01T00:00:00.000Z';
    await registry.register({ agentId: 'bob', apiKey: KEY, keyIssuedAt });
    expect(await registry.rotateKey('bob')).toEqual({ agentId: 'bob', newApiKey: 'new' });
    expect(issue.mock.calls[0]![0]).toMatchObject({ agentId: 'bob', apiKey: KEY });
    const after = await registry.get('bob');
    expect(after?.apiKey).toBe('new');
    expect(Date.parse(after!.keyIssuedAt!)).toBeGreaterThan(Date.parse(keyIssuedAt));
  });

  it('says that it cannot when nobody told it how', async () => {
    const { registry } = await temporaryStore();
    await registry.register({ agentId: 'bob', apiKey: KEY });
    expect(await refusal(registry.rotateKey('bob'))).toMatchObject({
      code: 'E_ROTATE_UNAVAILABLE',
      message: 'the key of "bob" cannot be rotated from here',
    });
  });

  it('keeps the old key when the backend refuses, and asks again with the same idempotency key', async () => {
    const asked: string[] = [];
    const refused = new Error('503');
    const { registry } = await temporaryStore({
      issuer: {
        issue: async (_, { idempotencyKey }) => {
          asked.push(idempotencyKey);
          if (asked.length === 1) throw refused;
          return { apiKey: `key-${asked.length}` };
        },
      },
    });
    await registry.register({ agentId: 'bob', apiKey: KEY });
    await expect(registry.rotateKey('bob')).rejects.toBe(refused);
    expect((await registry.get('bob'))?.apiKey).toBe(KEY);
    await registry.rotateKey('bob');
    await registry.rotateKey('bob');
    expect(asked[1]).toBe(asked[0]);
    expect(asked[2]).not.toBe(asked[0]);
    expect((await registry.get('bob'))?.apiKey).toBe('key-3');
  });

  it('asks with the same idempotency key after a kill -9 between the answer and the store', async () => {
    const folders = temporaryFolders();
    const child = startChild(
      `import { openStore } from '@cleocode/store';
       const [dir, dataDir] = process.argv.slice(1);
       const store = await openStore({ dir, dataDir, issuer: { issue: async (_, { idempotencyKey }) => {
         console.log(idempotencyKey);
         return new Promise(() => setInterval(() => {}, 1000));
       } } });
       await store.registry.register({ agentId: 'bob', apiKey: 'old' });
       await store.registry.rotateKey('bob');`,
      folders.dir,
      folders.dataDir,
    );
    const first = await child.line();
    child.kill('SIGKILL');
    await child.exit;
    const asked: string[] = [];
    const { registry } = await temporaryStore({
      ...folders,
      issuer: {
        issue: async (_, { idempotencyKey }) => {
          asked.push(idempotencyKey);
          return { apiKey: 'new' };
        },
      },
    });
    expect((await registry.get('bob'))?.apiKey).toBe('old');
    await registry.rotateKey('bob');
    expect(asked).toEqual([first]);
  }, 30_000);

  it('asks once for all who come at once', async () => {
    const issue = vi.fn<KeyIssuer['issue']>(async () => ({ apiKey: 'new' }));
    const { registry } = await temporaryStore({ issuer: { issue } });
    await registry.register({ agentId: 'bob', apiKey: KEY });
    const answers = await Promise.all(Array.from({ length: 100 }, () => registry.rotateKey('bob')));
    expect(issue).toHaveBeenCalledTimes(1);
    expect(new Set(answers.map(({ newApiKey }) => newApiKey))).toEqual(new Set(['new']));
  });

  it('waits for a rotation of another process and answers its key', async () => {
    const folders = temporaryFolders();
    let answer!: (issued: { apiKey: string }) => void;
    const first = await temporaryStore({
      ...folders,
      issuer: {
        issue: () =>
          new Promise((resolve) => {
            answer = resolve;
          }),
      },
    });
    const issue = vi.fn<KeyIssuer['issue']>(async () => ({ apiKey: 'second' }));
    const second = await temporaryStore({ ...folders, issuer: { issue } });
    await first.registry.register({ agentId: 'bob', apiKey: KEY });
    const rotated = first.registry.rotateKey('bob');
    await vi.waitUntil(() => answer);
    const waiting = second.registry.rotateKey('bob');
    answer({ apiKey: 'first' });
    expect(await rotated).toEqual({ agentId: 'bob', newApiKey: 'first' });
    expect(await waiting).toEqual({ agentId: 'bob', newApiKey: 'first' });
    expect(issue).not.toHaveBeenCalled();
  });
});

describe('on disk', () => {
  it('no file holds a key or a transport’s secret in any readable form', async () => {
    const folders = temporaryFolders();
    const store = await temporaryStore({
      ...folders,
      issuer: { issue: async () => ({ apiKey: `${KEY}-rotated` }) },
    });
    const token = 'tok_9f8e7d6c5b4a39281706';
    await store.registry.register({ agentId: 'bob', apiKey: KEY, transportConfig: { token } });
    await store.registry.update('bob', { displayName: 'Bob' });
    await store.registry.rotateKey('bob');
    await store.registry.remove('bob');
    await store.registry.register({ agentId: 'bob', apiKey: KEY, transportConfig: { token } });
    const needles = [KEY.slice(8, 24), token.slice(4, 16)].flatMap((secret) => [
      Buffer.from(secret),
      Buffer.from(Buffer.from(secret).toString('hex')),
      Buffer.from(Buffer.from(secret).toString('base64').slice(0, 14)),
      Buffer.from(secret, 'utf16le'),
    ]);
    const leaks = () =>
      filesIn(folders.dir).filter((name) => {
        // By another process: closing a descriptor of the live file would drop SQLite's locks in this one.
        const copy = join(folders.dataDir, name);
        execFileSync('cp', [join(folders.dir, name), copy]);
        const bytes = readFileSync(copy);
        rmSync(copy);
        return needles.some((needle) => bytes.includes(needle));
      });
    expect(filesIn(folders.dir)).toEqual(expect.arrayContaining(['state.db-wal', 'credentials.backup']));
    expect(leaks()).toEqual([]);
    await store.close();
    expect(leaks()).toEqual([]);
  });

  it('a credential that was moved to another agent’s row is refused', async () => {
    const folders = temporaryFolders();
    const { registry, file } = await temporaryStore(folders);
    await registry.register({ agentId: 'bob', apiKey: KEY });
    await registry.register({ agentId: 'eve', apiKey: 'other' });
    const other = new DatabaseSync(file);
    other.exec(
      "UPDATE credentials SET api_key = (SELECT api_key FROM credentials WHERE agent_id = 'bob') WHERE agent_id = 'eve'",
    );
    other.close();
    const error = await refusal(registry.get('eve'));
    expect(error).toMatchObject({
      code: 'E_CREDENTIAL_UNREADABLE',
      hint: expect.stringContaining('cleo agent remove eve'),
      cause: expect.any(Error),
    });
    expect(error.message).toContain('"eve"');
    expect((await registry.get('bob'))?.apiKey).toBe(KEY);
    await registry.register({ agentId: 'eve', apiKey: 'again' });
    expect((await registry.get('eve'))?.apiKey).toBe('again');
  });

  it('a credential stored with another machine key is refused by every read, and cured by registering again', async () => {
    const { dir, dataDir } = temporaryFolders();
    const before = await temporaryStore({ dir, dataDir });
    await before.registry.register({ agentId: 'bob', apiKey: KEY });
    const other = await temporaryStore({ dataDir: join(dataDir, 'other') });
    await other.registry.register({ agentId: 'x', apiKey: 'x' });
    const { registry } = await temporaryStore({ dir, dataDir: join(dataDir, 'other') });
    const unreadable = { code: 'E_CREDENTIAL_UNREADABLE' };
    expect(await refusal(registry.get('bob'))).toMatchObject(unreadable);
    expect(await refusal(registry.list())).toMatchObject(unreadable);
    expect(await refusal(registry.getActive())).toMatchObject(unreadable);
    expect(await refusal(registry.update('bob', { displayName: 'Bob' }))).toMatchObject(unreadable);
    await registry.register({ agentId: 'bob', apiKey: 'again' });
    expect((await registry.get('bob'))?.apiKey).toBe('again');
  });

  it('a lost machine key is reported and never replaced by a new one', async () => {
    const { dir, dataDir } = temporaryFolders();
    const { registry } = await temporaryStore({ dir, dataDir });
    await registry.register({ agentId: 'bob', apiKey: KEY });
    rmSync(join(dataDir, 'machine-key'));
    const missing = {
      code: 'E_MACHINE_KEY_MISSING',
      message: expect.stringContaining(join(dataDir, 'machine-key')),
      hint: expect.stringContaining('Restore the file'),
    };
    expect(await refusal(registry.get('bob'))).toMatchObject(missing);
    expect(await refusal(registry.list())).toMatchObject(missing);
    expect(await refusal(registry.register({ agentId: 'eve', apiKey: 'x' }))).toMatchObject(missing);
    expect(await refusal(registry.update('bob', {}))).toMatchObject(missing);
    expect(readdirSync(dataDir)).toEqual([]);
    await registry.remove('bob');
    await registry.register({ agentId: 'bob', apiKey: KEY });
    expect((await registry.get('bob'))?.apiKey).toBe(KEY);
  });

  it('two processes that register for the first time at once can read each other’s credential', async () => {
    const { dir, dataDir } = temporaryFolders();
    const children = ['a', 'b'].map((id) =>
      startChild(
        `import { openStore } from '@cleocode/store';
         const [dir, dataDir, agentId] = process.argv.slice(1);
         process.stdin.once('data', async () => {
           const store = await openStore({ dir, dataDir });
           await store.registry.register({ agentId, apiKey: 'key of ' + agentId });
           await store.close();
           process.exit();
         });
         console.log('ready');`,
        dir,
        dataDir,
        id,
      ),
    );
    for (const child of children) await child.line();
    for (const child of children) child.say('go');
    for (const child of children) expect(await child.exit).toEqual({ code: 0, signal: null });
    const { registry } = await temporaryStore({ dir, dataDir });
    expect((await registry.list()).map(({ apiKey }) => apiKey)).toEqual(['key of a', 'key of b']);
  }, 30_000);
});

function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
