import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startChild } from './child.test.util.ts';
import { acquireLock } from './lock.ts';

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

  it('makes its files private', () => {
    const lock = acquireLock(file);
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect([join(dir, 'run'), file, `${file}.pid`].map(mode)).toEqual(['700', '600', '600']);
    lock.release();
  });

  it('goes to exactly one of several that come at the same moment', async () => {
    const children = Array.from({ length: 6 }, () =>
      startChild(
        `import { createInterface } from 'node:readline';
         import { acquireLock } from '@cleocode/sqlite';
         console.log('ready');
         for await (const file of createInterface({ input: process.stdin })) {
           while (Date.now() % 50 !== 0); // All of them wake at the same millisecond.
           try {
             acquireLock(file);
             console.log('won');
           } catch (error) {
             console.log(error.code);
           }
         }`,
      ),
    );
    for (const child of children) expect(await child.line()).toBe('ready');
    for (let round = 0; round < 20; round++) {
      for (const child of children) child.say(`${file}.${round}`);
      const results = await Promise.all(children.map((child) => child.line()));
      expect(results.filter((result) => result === 'won')).toHaveLength(1);
      expect(results.filter((result) => result === 'E_ALREADY_RUNNING')).toHaveLength(5);
    }
  }, 60_000);

  it('says what is wrong with a folder it cannot use', () => {
    writeFileSync(join(dir, 'run'), 'a file where a folder should be');
    expect(() => acquireLock(file)).toThrow(
      expect.objectContaining({ code: 'E_STORAGE_UNAVAILABLE', message: expect.stringContaining(file) }),
    );
  });
});
