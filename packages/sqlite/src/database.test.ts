import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CleoError } from '@cleocode/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startChild } from './child.test.util.ts';
import { type Database, openDatabase } from './database.ts';

const migrations = ['CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)'];
const insert = (db: Database, text: string) =>
  db.write(() => db.sql('INSERT INTO notes (text) VALUES (?)').run(text).changes);
const texts = (db: Database) =>
  db
    .sql('SELECT text FROM notes ORDER BY id')
    .all()
    .map((row) => row.text);

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cleo-sqlite-'));
  file = join(dir, 'deep', 'state.db');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function refusal(promise: Promise<unknown>): Promise<CleoError> {
  const error = await promise.then(
    () => expect.fail('it resolved'),
    (reason) => reason,
  );
  if (!CleoError.is(error)) throw error;
  return error;
}

describe('openDatabase', () => {
  it('makes the file and all that stands beside it private', async () => {
    const db = await openDatabase(file, { migrations });
    await insert(db, 'one');
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect(mode(join(dir, 'deep'))).toBe('700');
    expect([file, `${file}-wal`, `${file}-shm`].map(mode)).toEqual(['600', '600', '600']);
    await db.close();
  });

  it('syncs every commit to disk', async () => {
    const db = await openDatabase(file, { migrations });
    expect(db.sql('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    expect(db.sql('PRAGMA synchronous').get()).toEqual({ synchronous: 2 });
    await db.close();
  });

  it('finds again what an earlier process wrote', async () => {
    const first = await openDatabase(file, { migrations });
    await insert(first, 'one');
    await first.close();
    const second = await openDatabase(file, { migrations, create: false });
    expect(texts(second)).toEqual(['one']);
    await second.close();
  });

  it('refuses a missing file when it may not create one', async () => {
    const error = await refusal(openDatabase(file, { migrations, create: false }));
    expect(error).toMatchObject({ code: 'E_STORAGE_UNAVAILABLE', message: `${file}: no such file` });
  });

  it('refuses a file that is no database and leaves it as it was', async () => {
    file = join(dir, 'state.db');
    writeFileSync(file, 'this was a database once, long ago'.repeat(100));
    const before = readFileSync(file);
    const error = await refusal(openDatabase(file, { migrations }));
    expect(error).toMatchObject({
      code: 'E_STORAGE_CORRUPT',
      retryable: false,
      hint: expect.stringContaining('restore a backup'),
      details: { file },
      cause: { code: 'ERR_SQLITE_ERROR' },
    });
    expect(error.message).toContain(file);
    expect(readFileSync(file)).toEqual(before);
  });

  it('refuses a schema that a newer version wrote and leaves it as it was', async () => {
    const newer = await openDatabase(file, {
      migrations: [...migrations, 'CREATE TABLE extra (id INTEGER)'],
    });
    await newer.close();
    const before = readFileSync(file);
    const error = await refusal(openDatabase(file, { migrations }));
    expect(error).toMatchObject({
      code: 'E_STORAGE_NEWER',
      message: `${file}: written by a newer version (schema 2, this version knows 1)`,
      hint: expect.stringContaining('Upgrade'),
    });
    expect(readFileSync(file)).toEqual(before);
  });

  it('names the folder that cannot be made', async () => {
    writeFileSync(join(dir, 'deep'), 'a file where a folder should be');
    const error = await refusal(openDatabase(file, { migrations }));
    expect(error).toMatchObject({ code: 'E_STORAGE_UNAVAILABLE', cause: { syscall: expect.any(String) } });
    expect(error.message).toContain(file);
  });

  it('says that a folder is read-only, for a new file and for an old one', async () => {
    const old = join(dir, 'old.db');
    const db = await openDatabase(old, { migrations });
    await db.close();
    chmodSync(old, 0o644);
    chmodSync(dir, 0o555);
    // Root may write everywhere, so the child becomes somebody else once its modules are loaded.
    const child = startChild(
      `import { openDatabase } from '@cleocode/sqlite';
       if (process.getuid() === 0) process.seteuid(65534);
       for (const file of process.argv.slice(1)) {
         const error = await openDatabase(file, { migrations: ['CREATE TABLE notes (id)'] }).catch((e) => e);
         console.log(error.code);
       }`,
      join(dir, 'new.db'),
      old,
    );
    expect([await child.line(), await child.line()]).toEqual(['E_STORAGE_READONLY', 'E_STORAGE_READONLY']);
    chmodSync(dir, 0o755);
  });

  it('reports damage inside the file from the read or write that meets it', async () => {
    const db = await openDatabase(file, { migrations });
    for (let i = 0; i < 50; i++) await insert(db, 'x'.repeat(2_000));
    await db.close();
    const bytes = readFileSync(file);
    bytes.fill(0xee, 4096); // The first page, with the schema, stays good.
    writeFileSync(file, bytes);
    const damaged = await openDatabase(file, { migrations });
    const corrupt = { code: 'E_STORAGE_CORRUPT', message: expect.stringContaining(file) };
    expect(await refusal(insert(damaged, 'two'))).toMatchObject(corrupt);
    expect(() => texts(damaged)).toThrow(expect.objectContaining(corrupt));
    await damaged.close();
  });
});

describe('close', () => {
  it('commits what is queued, also when the work prepares its statements late', async () => {
    const db = await openDatabase(file, { migrations });
    const writes = ['one', 'two'].map((text) => insert(db, text));
    await db.close();
    await expect(Promise.all(writes)).resolves.toEqual([1, 1]);
    const again = await openDatabase(file, { migrations });
    expect(texts(again)).toEqual(['one', 'two']);
    await again.close();
  });

  it('resolves for every caller only when the file is closed', async () => {
    const db = await openDatabase(file, { migrations });
    void insert(db, 'one');
    void db.close();
    await db.close();
    expect(statSync(`${file}-wal`, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('refuses what comes later', async () => {
    const db = await openDatabase(file, { migrations });
    await db.close();
    expect(await refusal(insert(db, 'late'))).toMatchObject({ code: 'E_STORAGE_CLOSED' });
    expect(() => db.sql('SELECT 1')).toThrow(expect.objectContaining({ code: 'E_STORAGE_CLOSED' }));
  });
});

describe('the log', () => {
  it('shrinks again after a slow reader made it grow', async () => {
    const db = await openDatabase(file, { migrations });
    const reader = new DatabaseSync(file);
    reader.exec('BEGIN; SELECT * FROM notes');
    for (let i = 0; i < 16; i++) await insert(db, 'x'.repeat(1_000_000));
    expect(statSync(`${file}-wal`).size).toBeGreaterThan(15_000_000);
    reader.exec('COMMIT');
    reader.close();
    for (let i = 0; i < 3; i++) await insert(db, 'x'.repeat(1_000_000));
    expect(statSync(`${file}-wal`).size).toBeLessThan(9_000_000);
    await db.close();
  });
});

describe('a full disk', () => {
  const small = join(tmpdir(), `cleo-sqlite-full-${process.pid}`);
  let mounted = false;
  beforeEach((context) => {
    mkdirSync(small, { recursive: true });
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small], { stdio: 'ignore' });
      mounted = true;
    } catch {
      context.skip('cannot mount a small tmpfs here');
    }
  });
  afterEach(() => {
    if (mounted) execFileSync('umount', ['-l', small]);
    mounted = false;
    rmSync(small, { recursive: true, force: true });
  });

  it('rejects the writes with what to do, keeps what was committed, and goes on once there is space', async () => {
    file = join(small, 'state.db');
    const db = await openDatabase(file, { migrations });
    const ballast = join(small, 'ballast');
    writeFileSync(ballast, Buffer.alloc(600_000));
    let kept = 0;
    let error: unknown;
    while (!error) {
      const text = `${kept} ${'x'.repeat(20_000)}`;
      await insert(db, text).then(
        () => kept++,
        (reason) => {
          error = reason;
        },
      );
    }
    expect(error).toMatchObject({
      code: 'E_STORAGE_FULL',
      retryable: true,
      hint: expect.stringContaining('space'),
    });
    expect((error as CleoError).message).toContain(file);
    expect(texts(db)).toHaveLength(kept);
    rmSync(ballast);
    await insert(db, 'after');
    expect(texts(db)).toHaveLength(kept + 1);
    await db.close();
  });

  it('rejects every write of a batch, so that none is believed to be done', async () => {
    file = join(small, 'state.db');
    const db = await openDatabase(file, { migrations });
    writeFileSync(join(small, 'ballast'), Buffer.alloc(850_000));
    const results = await Promise.allSettled([1, 2, 3].map((n) => insert(db, `${n}`.repeat(150_000))));
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(texts(db)).toEqual([]);
    await db.close();
  });

  it('met in the middle of a batch leaves no write half-believed', async () => {
    file = join(small, 'state.db');
    const db = await openDatabase(file, { migrations });
    // Larger than SQLite's cache: the disk is met by the statement, before the commit.
    const results = await Promise.allSettled(
      ['small', 'x'.repeat(4_000_000)].map((text) => insert(db, text)),
    );
    expect(results[1]).toMatchObject({ status: 'rejected', reason: { code: 'E_STORAGE_FULL' } });
    const [first] = results;
    if (first!.status === 'rejected') expect(first).toMatchObject({ reason: { code: 'E_STORAGE_FULL' } });
    expect(texts(db)).toEqual(first!.status === 'fulfilled' ? ['small'] : []);
    await insert(db, 'after');
    await db.close();
  });

  it('cannot open a new file, says so, and can once there is space', async () => {
    file = join(small, 'state.db');
    const ballast = join(small, 'ballast');
    expect(() => writeFileSync(ballast, Buffer.alloc(2_000_000))).toThrow('ENOSPC');
    expect(await refusal(openDatabase(file, { migrations }))).toMatchObject({ code: 'E_STORAGE_FULL' });
    rmSync(ballast);
    const db = await openDatabase(file, { migrations });
    await insert(db, 'one');
    await db.close();
  });
});
