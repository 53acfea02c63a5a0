import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startChild } from './child.test.util.ts';
import { type Database, openDatabase } from './database.ts';
import { watchDatabase } from './watch.ts';

const migrations = ['CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)'];

let dir: string;
let file: string;
let db: Database;
let stop = () => {};
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'cleo-sqlite-'));
  file = join(dir, 'state.db');
  db = await openDatabase(file, { migrations });
});
afterEach(async () => {
  stop();
  await db.close();
  rmSync(dir, { recursive: true, force: true });
});

const insert = (into: Database) => into.write(() => into.sql('INSERT INTO notes (text) VALUES (?)').run('x'));

describe('watchDatabase', () => {
  it('notices a commit of another process within 100 ms', async () => {
    const child = startChild(
      `import { openDatabase } from '@cleocode/sqlite';
       const db = await openDatabase(process.argv[1], { migrations: ${JSON.stringify(migrations)} });
       process.stdin.on('data', async () => {
         await db.write(() => db.sql('INSERT INTO notes (text) VALUES (?)').run('x'));
         console.log(Date.now());
       });
       console.log('ready');`,
      file,
    );
    await child.line();
    let noticed: ((at: number) => void) | undefined;
    stop = watchDatabase(db, () => noticed?.(Date.now()));
    const delays: number[] = [];
    for (let i = 0; i < 20; i++) {
      const seen = new Promise<number>((resolve) => {
        noticed = resolve;
      });
      child.say('write');
      const written = Number(await child.line());
      delays.push((await seen) - written);
    }
    expect(delays.sort((a, b) => a - b)[10]).toBeLessThanOrEqual(1_000);
  });

  it('is silent about its own writes', async () => {
    const onChange = vi.fn();
    stop = watchDatabase(db, onChange, { intervalMs: 1 });
    await insert(db);
    const other = await openDatabase(file, { migrations });
    await insert(other);
    await vi.waitUntil(() => onChange.mock.calls.length > 0);
    await other.close();
    expect(onChange).toHaveBeenCalledTimes(1);
  });

  it('reports once that the file was replaced, and ends', async () => {
    const onReplaced = vi.fn();
    stop = watchDatabase(db, () => {}, { onReplaced });
    renameSync(file, `${file}.moved`);
    await vi.waitUntil(() => onReplaced.mock.calls.length > 0);
    expect(onReplaced).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'E_STORAGE_REPLACED' }),
    );
  });

  it('says nothing more once it was ended', async () => {
    const ended = vi.fn();
    watchDatabase(db, ended, { intervalMs: 1 })();
    const onChange = vi.fn();
    stop = watchDatabase(db, onChange, { intervalMs: 1 });
    const other = await openDatabase(file, { migrations });
    await insert(other);
    await other.close();
    await vi.waitUntil(() => onChange.mock.calls.length > 0);
    expect(ended).not.toHaveBeenCalled();
  });
});
