import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startChild } from './child.test.util.ts';
import { acquireLock, lockHolder } from './lock.ts';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cleo-sqlite-'));
  file = join(dir, 'run', 'bob.lock');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const holder = `
  import { acquireLock } from '@cleocode/sqlite';
  acquireLock(process.argv[1]);
  globalThis.gc(); // Nobody keeps the handle: the lock must hold all the same.
  console.log('held');
  setInterval(() => {}, 1000);`;

describe('acquireLock', () => {
  it('refuses a second holder and names the first', async () => {
    const child = startChild(holder, file);
    await child.line();
    expect(() => acquireLock(file)).toThrow(
      expect.objectContaining({
        code: 'E_ALREADY_RUNNING',
        message: `already running as process ${child.pid} (${file})`,
        hint: 'Stop that one first.',
        details: { file, pid: child.pid },
      }),
    );
  });

  it('is free at once after a kill -9', async () => {
    const child = startChild(holder, file);
    await child.line();
    child.kill('SIGKILL');
    await child.exit;
    const lock = acquireLock(file);
    expect(readFileSync(`${file}.pid`, 'utf8')).toBe(`${process.pid}\n`);
    lock.release();
  });

  it('holds inside one process too, and is free after release', () => {
    const lock = acquireLock(file);
    expect(() => acquireLock(file)).toThrow(
      expect.objectContaining({ code: 'E_ALREADY_RUNNING', details: { file, pid: process.pid } }),
    );
    lock.release();
    lock.release();
    expect(statSync(`${file}.pid`, { throwIfNoEntry: false })).toBeUndefined();
    acquireLock(file).release();
  });

  it('can be looked at: who holds it, or that nobody does, whatever a process that was killed has left', async () => {
    expect(lockHolder(file)).toBeUndefined();
    const child = startChild(holder, file);
    await child.line();
    expect(lockHolder(file)).toEqual({ pid: child.pid });
    child.kill('SIGKILL');
    await child.exit;
    expect(readFileSync(`${file}.pid`, 'utf8')).toBe(`${child.pid}\n`);
    expect(lockHolder(file)).toBeUndefined();
    const lock = acquireLock(file);
    expect(lockHolder(file)).toEqual({ pid: process.pid });
    expect(() => acquireLock(file)).toThrow('already running');
    lock.release();
    expect(lockHolder(file)).toBeUndefined();
  });

  it('makes its files private', () => {
    const lock = acquireLock(file);
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect([join(dir, 'run'), file, `${file}.pid`].map(mode)).toEqual(['700', '600', '600']);
    lock.release();
  });

  // Retried, for a busy machine may let the other process wait for longer than the lock does.
  it('is not refused because another process just tries its luck', { retry: 5 }, async () => {
    acquireLock(file).release();
    const child = startChild(
      `import { DatabaseSync } from 'node:sqlite';
       const db = new DatabaseSync(process.argv[1]);
       db.exec('BEGIN; SELECT * FROM sqlite_schema'); // As far as a loser gets before it lets go.
       process.stdin.once('data', () => setTimeout(() => db.exec('COMMIT'), 20));
       console.log('looking');`,
      file,
    );
    expect(await child.line()).toBe('looking');
    child.say('let go');
    acquireLock(file).release();
  });

  it('goes to exactly one of two that come at the same moment', async () => {
    const source = `
      import { createInterface } from 'node:readline';
      import { acquireLock } from '@cleocode/sqlite';
      const now = () => performance.timeOrigin + performance.now();
      console.log('ready');
      for await (const line of createInterface({ input: process.stdin })) {
        const [instant, file] = line.split(' ');
        while (now() < instant); // Both wake within microseconds.
        try {
          acquireLock(file);
          console.log('won');
        } catch (error) {
          console.log(error.code);
        }
      }`;
    const children = [startChild(source), startChild(source)];
    for (const child of children) expect(await child.line()).toBe('ready');
    for (let round = 0; round < 20; round++) {
      const instant = performance.timeOrigin + performance.now() + 5;
      for (const child of children) child.say(`${instant} ${file}.${round}`);
      const results = await Promise.all(children.map((child) => child.line()));
      expect(results.sort()).toEqual(['E_ALREADY_RUNNING', 'won']);
    }
  }, 60_000);

  it('says what is wrong with a folder it cannot use', () => {
    writeFileSync(join(dir, 'run'), 'a file where a folder should be');
    expect(() => acquireLock(file)).toThrow(
      expect.objectContaining({ code: 'E_STORAGE_UNAVAILABLE', message: expect.stringContaining(file) }),
    );
  });
});
