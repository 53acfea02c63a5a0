import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startChild } from './child.test.util.ts';
import { type Database, openDatabase } from './database.ts';

const first = 'CREATE TABLE a (id INTEGER)';
const second = 'CREATE TABLE b (id INTEGER); INSERT INTO b VALUES (1)';

let file: string;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cleo-sqlite-'));
  file = join(dir, 'state.db');
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

const version = (db: Database) => db.sql('PRAGMA user_version').get()!.user_version;
const tables = (db: Database) =>
  db
    .sql("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .all()
    .map((row) => row.name);

describe('migrations', () => {
  it('run once each, in order, also over several releases', async () => {
    await (await openDatabase(file, { migrations: [first] })).close();
    await (await openDatabase(file, { migrations: [first, second] })).close();
    const db = await openDatabase(file, { migrations: [first, second] });
    expect(tables(db)).toEqual(['a', 'b']);
    expect(version(db)).toBe(2);
    expect(db.sql('SELECT count(*) AS n FROM b').get()).toEqual({ n: 1 });
    await db.close();
  });

  it('leave nothing half-done when one fails', async () => {
    await (await openDatabase(file, { migrations: [first] })).close();
    const broken = 'CREATE TABLE c (id INTEGER); INSERT INTO nowhere VALUES (1)';
    await expect(openDatabase(file, { migrations: [first, second, broken] })).rejects.toThrow('nowhere');
    const db = await openDatabase(file, { migrations: [first] });
    expect(tables(db)).toEqual(['a']);
    await db.close();
  });

  it('are given up after five seconds when another process holds the file', async () => {
    const other = new DatabaseSync(file);
    other.exec('CREATE TABLE z (id INTEGER); BEGIN EXCLUSIVE');
    const start = performance.now();
    let calls = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => start + calls++ * 3_000);
    await expect(openDatabase(file, { migrations: [first] })).rejects.toMatchObject({
      code: 'E_STORAGE_BUSY',
      message: expect.stringContaining(file),
    });
    other.close();
  });

  it('run once when many processes start at the same moment', async () => {
    const children = Array.from({ length: 4 }, () =>
      startChild(
        `import { openDatabase } from '@cleocode/sqlite';
         process.stdin.once('data', async () => {
           const db = await openDatabase(process.argv[1], { migrations: ${JSON.stringify([first, second])} });
           await db.close();
           process.exit();
         });
         console.log('ready');`,
        file,
      ),
    );
    for (const child of children) await child.line();
    for (const child of children) child.say('go');
    for (const child of children) expect(await child.exit).toEqual({ code: 0, signal: null });
    const db = await openDatabase(file, { migrations: [first, second] });
    expect(db.sql('SELECT count(*) AS n FROM b').get()).toEqual({ n: 1 });
    await db.close();
  }, 60_000);
});
