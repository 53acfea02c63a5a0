import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startChild } from './child.test.util.ts';
import { type Database, openDatabase } from './database.ts';

const migrations = ['CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE)'];

let dir: string;
let file: string;
let db: Database;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'cleo-sqlite-'));
  file = join(dir, 'state.db');
  db = await openDatabase(file, { migrations });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await db.close();
  rmSync(dir, { recursive: true, force: true });
});

const insert = (text: string) => db.sql('INSERT INTO notes (text) VALUES (?)').run(text);
const texts = (from = db) =>
  from
    .sql('SELECT text FROM notes ORDER BY id')
    .all()
    .map((row) => row.text);
const commits = (calls: unknown[][]) => calls.filter(([sql]) => sql === 'COMMIT').length;

describe('write', () => {
  it('commits what arrives in one tick together and answers each with its own result', async () => {
    const exec = vi.spyOn(DatabaseSync.prototype, 'exec');
    const ids = await Promise.all(
      ['a', 'b', 'c'].map((text) => db.write(() => insert(text).lastInsertRowid)),
    );
    expect(ids).toEqual([1, 2, 3]);
    expect(commits(exec.mock.calls)).toBe(1);
  });

  it('answers only when another connection can see the change', async () => {
    const other = await openDatabase(file, { migrations });
    const seen: unknown[] = [];
    await Promise.all(
      ['a', 'b'].map((text) => db.write(() => insert(text)).then(() => seen.push(texts(other)))),
    );
    expect(seen).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
    await other.close();
  });

  it('rejects only the caller whose work throws, and undoes all that this work did', async () => {
    const failure = new Error('changed my mind');
    const results = await Promise.allSettled([
      db.write(() => insert('before')),
      db.write(() => {
        insert('half');
        throw failure;
      }),
      db.write(() => insert('after')),
    ]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toHaveProperty('reason', failure);
    expect(texts()).toEqual(['before', 'after']);
  });

  it('undoes a lone write that throws', async () => {
    await expect(
      db.write(() => {
        insert('half');
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(texts()).toEqual([]);
  });

  it('hands a violated constraint to its caller as it is', async () => {
    const results = await Promise.allSettled(
      ['same', 'same', 'other'].map((text) => db.write(() => insert(text))),
    );
    expect(results[1]).toMatchObject({
      reason: { code: 'ERR_SQLITE_ERROR', message: expect.stringContaining('UNIQUE') },
    });
    expect(texts()).toEqual(['same', 'other']);
  });

  it('runs no work more than twice, however many throw', async () => {
    const runs = new Array<number>(300).fill(0);
    const results = await Promise.allSettled(
      runs.map((_, index) =>
        db.write(() => {
          runs[index]!++;
          if (index % 2) throw new Error('odd');
          insert(`${index}`);
        }),
      ),
    );
    expect(results.filter((result) => result.status === 'rejected')).toHaveLength(150);
    expect(texts()).toHaveLength(150);
    expect(Math.max(...runs)).toBeLessThanOrEqual(2);
  });

  it('lets the event loop turn while a long queue is written, and keeps its order', async () => {
    const exec = vi.spyOn(DatabaseSync.prototype, 'exec');
    const all = Array.from({ length: 200 }, (_, index) => `${index}`);
    let turns = 0;
    const turning = setInterval(() => turns++, 1);
    await Promise.all(
      all.map((text) =>
        db.write(() => {
          const end = performance.now() + 1;
          while (performance.now() < end);
          insert(text);
        }),
      ),
    );
    clearInterval(turning);
    expect(commits(exec.mock.calls)).toBeGreaterThanOrEqual(9);
    expect(turns).toBeGreaterThanOrEqual(8);
    expect(texts()).toEqual(all);
  });

  it('rejects once the file is deleted or another stands in its place', async () => {
    await db.write(() => insert('kept'));
    renameSync(file, `${file}.moved`);
    await expect(db.write(() => insert('lost'))).rejects.toMatchObject({
      code: 'E_STORAGE_REPLACED',
      message: `${file}: the file was deleted or replaced while open`,
    });
    writeFileSync(file, '');
    await expect(db.write(() => insert('lost too'))).rejects.toMatchObject({ code: 'E_STORAGE_REPLACED' });
  });
});

describe('beside other processes', () => {
  it('waits for a lock held for two seconds without freezing the event loop', { retry: 3 }, async () => {
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
      file,
    );
    expect(await holder.line()).toBe('held');
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const started = performance.now();
    await db.write(() => insert('in the end'));
    delay.disable();
    expect(performance.now() - started).toBeGreaterThan(1_500);
    // The holder only sleeps: the delay it sees is the machine's, not ours.
    expect(delay.max / 1e6).toBeLessThan(250 + Number(await holder.line()));
    expect(texts()).toContain('in the end');
  });

  it('gives up after ten seconds and names the cure', async () => {
    const other = new DatabaseSync(file);
    other.exec('BEGIN IMMEDIATE');
    const start = performance.now();
    let calls = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => start + calls++ * 6_000);
    await expect(db.write(() => insert('never'))).rejects.toMatchObject({
      code: 'E_STORAGE_BUSY',
      retryable: true,
      hint: expect.stringContaining('look for a process'),
    });
    other.exec('COMMIT');
    other.close();
    await db.write(() => insert('now'));
    expect(texts()).toEqual(['now']);
  });

  it('loses nothing and fails nothing when eight write at once', async () => {
    const source = `
      import { openDatabase } from '@cleocode/sqlite';
      const [file, name] = process.argv.slice(1);
      const db = await openDatabase(file, { migrations: ${JSON.stringify(migrations)} });
      await Promise.all(Array.from({ length: 5 }, async (_, lane) => {
        for (let i = 0; i < 40; i++)
          await db.write(() => db.sql('INSERT INTO notes (text) VALUES (?)').run([name, lane, i].join()));
      }));
      await db.close();`;
    const children = Array.from({ length: 8 }, (_, index) => startChild(source, file, `${index}`));
    expect(await Promise.all(children.map((child) => child.exit))).toEqual(
      Array.from({ length: 8 }, () => ({ code: 0, signal: null })),
    );
    expect(new Set(texts()).size).toBe(8 * 5 * 40);
  }, 60_000);

  it('keeps every answered write through a kill -9', async () => {
    for (let round = 0; round < 5; round++) {
      const child = startChild(
        `import { openDatabase } from '@cleocode/sqlite';
         const [file, round] = process.argv.slice(1);
         const db = await openDatabase(file, { migrations: ${JSON.stringify(migrations)} });
         for (let i = 0; ; i++)
           await Promise.all([0, 1, 2, 3].map(async (lane) => {
             const text = [round, i, lane].join();
             await db.write(() => db.sql('INSERT INTO notes (text) VALUES (?)').run(text));
             console.log(text);
           }));`,
        file,
        `${round}`,
      );
      const answered: string[] = [];
      for (let i = 0; i < 40 + round * 30; i++) answered.push(await child.line());
      child.kill();
      await child.exit;
      const present = new Set(texts());
      expect(answered.filter((text) => !present.has(text))).toEqual([]);
    }
    expect(db.sql('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
  }, 60_000);
});

describe('a disk that fails to sync', () => {
  it('rejects the write', async (context) => {
    try {
      execFileSync('strace', ['-f', 'true'], { stdio: 'ignore' });
    } catch {
      context.skip('strace cannot be used here');
    }
    const printed = execFileSync(
      'strace',
      [
        ...['-f', '-qq', '-o', join(dir, 'trace'), '-e', 'trace=fsync,fdatasync'],
        ...['-e', 'inject=fsync,fdatasync:error=EIO:when=1+', process.execPath],
        ...['--disable-warning=ExperimentalWarning', '--input-type=module', '-e'],
        `import { openDatabase } from '@cleocode/sqlite';
         const db = await openDatabase(process.argv[1], { migrations: ${JSON.stringify(migrations)} });
         const error = await db.write(() => db.sql("INSERT INTO notes (text) VALUES ('x')").run()).catch((e) => e);
         console.log(error.code, error.retryable, error.cause?.code);
         process.exit();`,
        file,
      ],
      { cwd: new URL('..', import.meta.url), encoding: 'utf8' },
    );
    expect(printed.trim()).toBe('E_STORAGE_IO true ERR_SQLITE_ERROR');
  }, 60_000);
});
