import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import type { ConduitMessage } from '@cleocode/contracts';
import { journalRules } from '@cleocode/contracts/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startChild } from './child.test.util.ts';
import { openStore } from './store.ts';
import { refusal, temporaryFolders, temporaryStore } from './temporary.test.util.ts';

const message: ConduitMessage = {
  id: 'm1',
  from: 'alice',
  content: 'hello',
  timestamp: '2026-01-01T00:00:00Z',
};

describe('the rules of every journal', () => {
  it.each(journalRules)('$name', async ({ run }) => {
    const folders = temporaryFolders();
    await run(async () => (await temporaryStore(folders)).journalFor('bob'));
  });
});

describe('the journal', () => {
  it('is one per agent, in one file', async () => {
    const store = await temporaryStore();
    const [bob, eve] = [store.journalFor('bob'), store.journalFor('eve')];
    await bob.begin('a');
    await bob.done('a');
    await bob.setCursor('group', 7);
    expect(await eve.begin('a')).toEqual({ state: 'begun', attempt: 1, failures: 0 });
    expect(await eve.getCursor('group')).toBeUndefined();
    expect(await bob.begin('a')).toEqual({ state: 'done' });
  });

  it('writes nothing for a key that has ended, and answers while another process holds the lock', async () => {
    const store = await temporaryStore();
    const journal = store.journalFor('bob');
    await journal.begin('a');
    await journal.done('a');
    await journal.begin('b');
    await journal.dead('b', message, 'gave up');
    const other = new DatabaseSync(store.file);
    onTestFinished(() => other.close());
    const version = () => other.prepare('PRAGMA data_version').get()!.data_version;
    const before = version();
    other.exec('BEGIN IMMEDIATE');
    expect(await journal.begin('a')).toEqual({ state: 'done' });
    expect(await journal.begin('b')).toEqual({ state: 'dead' });
    other.exec('COMMIT');
    expect(version()).toBe(before);
  });

  it('commits what is asked in one tick together', async () => {
    const store = await temporaryStore();
    const journal = store.journalFor('bob');
    const exec = vi.spyOn(DatabaseSync.prototype, 'exec');
    onTestFinished(() => exec.mockRestore());
    await Promise.all(Array.from({ length: 200 }, (_, index) => journal.begin(`${index}`)));
    expect(exec.mock.calls.filter(([sql]) => sql === 'COMMIT').length).toBeLessThanOrEqual(5);
  });

  it('is on disk when a promise resolves: another connection sees it', async () => {
    const folders = temporaryFolders();
    const journal = (await temporaryStore(folders)).journalFor('bob');
    const other = (await temporaryStore(folders)).journalFor('bob');
    await journal.begin('a');
    expect(await other.begin('a')).toMatchObject({ attempt: 2 });
    await journal.done('a');
    expect(await other.begin('a')).toEqual({ state: 'done' });
  });

  it('rejects after close', async () => {
    const store = await openStore(temporaryFolders());
    const journal = store.journalFor('bob');
    const last = journal.begin('a');
    await store.close();
    expect(await last).toMatchObject({ attempt: 1 });
    expect(await refusal(journal.begin('b'))).toMatchObject({ code: 'E_STORAGE_CLOSED' });
    expect(await refusal(journal.done('a'))).toMatchObject({ code: 'E_STORAGE_CLOSED' });
  });
});

describe('a crash', () => {
  it('takes back nothing that was answered: 6 kills with -9', async () => {
    const folders = temporaryFolders();
    const source = `
      import { openStore } from '@cleocode/store';
      const [dir, round] = process.argv.slice(1);
      const journal = (await openStore({ dir })).journalFor('bob');
      await journal.begin('half ' + round);
      await Promise.all(Array.from({ length: 16 }, async (_, lane) => {
        for (let i = 0; ; i++) {
          const key = [round, lane, i].join();
          await journal.begin(key);
          await journal.done(key);
          console.log(key);
        }
      }));`;
    const answered: string[] = [];
    const rounds = Array.from({ length: 6 }, (_, index) => 50 + 37 * index);
    for (const round of rounds) {
      const child = startChild(source, folders.dir, `${round}`);
      for (let lines = 0; lines <= round; lines++) answered.push(await child.line());
      child.kill('SIGKILL');
      await child.exit;
    }
    const journal = (await temporaryStore(folders)).journalFor('bob');
    const states = await Promise.all(answered.map(async (key) => (await journal.begin(key)).state));
    expect(states.filter((state) => state !== 'done')).toEqual([]);
    expect(answered.length).toBeGreaterThan(800);
    // What was begun and never ended comes again with a higher attempt, and no failure.
    for (const round of rounds)
      expect(await journal.begin(`half ${round}`)).toEqual({ state: 'begun', attempt: 2, failures: 0 });
  }, 180_000);
});

describe('other processes', () => {
  it('eight at once, each with its own agent, lose nothing and fail nothing', async () => {
    const folders = temporaryFolders();
    const source = `
      import { openStore } from '@cleocode/store';
      const [dir, agent] = process.argv.slice(1);
      const store = await openStore({ dir });
      const journal = store.journalFor(agent);
      await Promise.all(Array.from({ length: 8 }, async (_, lane) => {
        for (let i = 0; i < 25; i++) {
          await journal.begin([lane, i].join());
          await journal.done([lane, i].join());
        }
      }));
      await store.close();`;
    const agents = Array.from({ length: 8 }, (_, index) => `agent-${index}`);
    const children = agents.map((agent) => startChild(source, folders.dir, agent));
    for (const child of children) expect(await child.exit).toEqual({ code: 0, signal: null });
    const store = await temporaryStore(folders);
    for (const agent of agents)
      for (let index = 0; index < 200; index++)
        expect(await store.journalFor(agent).begin([index % 8, Math.floor(index / 8)].join())).toEqual({
          state: 'done',
        });
  }, 120_000);

  it('one that holds the lock for two seconds delays the answer, not the event loop', {
    retry: 3,
  }, async () => {
    const store = await temporaryStore();
    const journal = store.journalFor('bob');
    const holder = startChild(
      `import { monitorEventLoopDelay } from 'node:perf_hooks';
       import { DatabaseSync } from 'node:sqlite';
       const db = new DatabaseSync(process.argv[1]);
       db.exec('BEGIN IMMEDIATE');
       console.log('held');
       const delay = monitorEventLoopDelay({ resolution: 1 });
       delay.enable();
       setTimeout(() => {
         db.exec('COMMIT');
         console.log(delay.max / 1e6);
       }, 2000);`,
      store.file,
    );
    expect(await holder.line()).toBe('held');
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const started = performance.now();
    expect(await journal.begin('a')).toMatchObject({ state: 'begun' });
    delay.disable();
    expect(performance.now() - started).toBeGreaterThan(1_500);
    // The holder only sleeps: the delay it sees is the machine's, not ours.
    expect(delay.max / 1e6).toBeLessThan(250 + Number(await holder.line()));
  });
});

describe('a full disk', () => {
  it('rejects, keeps what was answered, and works again once there is space', async (context) => {
    const small = join(tmpdir(), `cleo-store-full-${process.pid}`);
    mkdirSync(small, { recursive: true });
    onTestFinished(() => rmSync(small, { recursive: true, force: true }));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small], { stdio: 'ignore' });
    } catch {
      context.skip('cannot mount a small tmpfs here');
    }
    onTestFinished(() => void execFileSync('umount', ['-l', small]));
    const store = await openStore({ dir: small });
    const journal = store.journalFor('bob');
    await journal.begin('first');
    await journal.done('first');
    const ballast = join(small, 'ballast');
    expect(() => writeFileSync(ballast, Buffer.alloc(2_000_000))).toThrow('ENOSPC');
    const full = {
      code: 'E_STORAGE_FULL',
      retryable: true,
      hint: 'Free some space; work resumes by itself.',
      message: expect.stringContaining(store.file),
    };
    expect(await refusal(journal.begin('second'))).toMatchObject(full);
    expect(await refusal(journal.done('second'))).toMatchObject(full);
    expect(await journal.begin('first')).toEqual({ state: 'done' });
    rmSync(ballast);
    expect(await journal.begin('second')).toEqual({ state: 'begun', attempt: 1, failures: 0 });
    await store.close();
  });
});

describe('retention', () => {
  const keys = async (file: string) => {
    const db = new DatabaseSync(file, { readOnly: true });
    const rows = db.prepare('SELECT key FROM deliveries ORDER BY n').all();
    db.close();
    return rows.map((row) => row.key as string);
  };
  const finish = async (journal: Awaited<ReturnType<typeof openStore>>, from: number, count: number) => {
    const bob = journal.journalFor('bob');
    const all = Array.from({ length: count }, (_, index) => `${from + index}`);
    await Promise.all(all.map((key) => bob.begin(key)));
    await Promise.all(all.map((key) => bob.done(key)));
    for (let turns = 0; turns < 10; turns++) await turn();
  };

  it('forgets what is both old and not among the newest', async () => {
    const store = await temporaryStore({ retention: { minAgeMs: 0, minCount: 100 } });
    const bob = store.journalFor('bob');
    await bob.begin('dead');
    await bob.dead('dead', message, 'gave up');
    for (let round = 0; round < 40; round++) {
      for (let index = 0; index < 64; index++) await bob.begin(`${round} ${index}`);
      await Promise.all(Array.from({ length: 64 }, (_, index) => bob.done(`${round} ${index}`)));
    }
    const left = await keys(store.file);
    expect(left.length).toBeGreaterThanOrEqual(101);
    expect(left.length).toBeLessThan(1_000);
    expect(left[0]).toBe('dead');
    const newest = Array.from({ length: 100 }, (_, index) => 2_560 - 100 + index);
    expect(left.slice(-100)).toEqual(newest.map((n) => `${Math.floor(n / 64)} ${n % 64}`));
  });

  it('keeps everything that is young, and everything while there is little', async () => {
    const young = await temporaryStore({ retention: { minCount: 10 } });
    await finish(young, 0, 1_500);
    expect(await keys(young.file)).toHaveLength(1_500);
    const few = await temporaryStore({ retention: { minAgeMs: 0 } });
    await finish(few, 0, 1_500);
    expect(await keys(few.file)).toHaveLength(1_500);
  });

  it('gets past any number of dead letters, which stay', async () => {
    const folders = temporaryFolders();
    const before = await temporaryStore(folders);
    const bob = before.journalFor('bob');
    await Promise.all(
      Array.from({ length: 1_200 }, (_, index) => bob.dead(`dead ${index}`, message, 'poison')),
    );
    await finish(before, 0, 100);
    const store = await temporaryStore({ ...folders, retention: { minAgeMs: 0, minCount: 0 } });
    const journal = store.journalFor('bob');
    for (let index = 0; index < 800; index++) await journal.begin(`new ${index}`);
    const left = await keys(store.file);
    expect(left.filter((key) => key.startsWith('dead'))).toHaveLength(1_200);
    expect(left.filter((key) => /^\d+$/.test(key))).toEqual([]);
  });

  it('never forgets more than a small batch in one go', async () => {
    const folders = temporaryFolders();
    const before = await temporaryStore(folders);
    await finish(before, 0, 3_000);
    const store = await temporaryStore({ ...folders, retention: { minAgeMs: 0, minCount: 0 } });
    await finish(store, 3_000, 1);
    expect(await keys(store.file)).toHaveLength(3_001 - 512);
  });
});
