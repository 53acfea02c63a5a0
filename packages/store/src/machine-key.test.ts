import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startChild } from './child.test.util.ts';
import { MachineKey, resolveDataDir } from './machine-key.ts';
import { temporaryFolders } from './temporary.test.util.ts';

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('the machine key', () => {
  it('is 32 bytes in a private file of a private folder, with nothing left beside it', () => {
    const { dataDir } = temporaryFolders();
    const key = new MachineKey(dataDir);
    expect(key.read()).toBeUndefined();
    const created = key.create();
    expect(created).toHaveLength(32);
    expect(readFileSync(key.file)).toEqual(created);
    expect([mode(dataDir), mode(key.file)]).toEqual(['700', '600']);
    expect(readdirSync(dataDir)).toEqual(['machine-key']);
  });

  it('is never made anew while one exists', () => {
    const { dataDir } = temporaryFolders();
    const first = new MachineKey(dataDir).create();
    expect(new MachineKey(dataDir).create()).toEqual(first);
  });

  it('is the same for all processes that start for the first time at once', async () => {
    const { dataDir } = temporaryFolders();
    const source = `
      import { createInterface } from 'node:readline';
      import { MachineKey } from './src/machine-key.ts';
      console.log('ready');
      for await (const dir of createInterface({ input: process.stdin })) {
        while (Date.now() % 50 !== 0); // Both wake at the same millisecond.
        console.log(new MachineKey(dir).create().toString('hex'));
      }`;
    const children = [startChild(source), startChild(source)];
    for (const child of children) expect(await child.line()).toBe('ready');
    for (let round = 0; round < 20; round++) {
      const dir = join(dataDir, `${round}`);
      for (const child of children) child.say(dir);
      const [one, two] = await Promise.all(children.map((child) => child.line()));
      expect(one).toMatch(/^[0-9a-f]{64}$/);
      expect(two).toBe(one);
      expect(readFileSync(join(dir, 'machine-key')).toString('hex')).toBe(one);
    }
  }, 60_000);

  it.each([0o644, 0o640, 0o604, 0o620, 0o601])('is refused with mode %o', (bits) => {
    const { dataDir } = temporaryFolders();
    const key = new MachineKey(dataDir);
    key.create();
    chmodSync(key.file, bits);
    expect(() => key.read()).toThrow(
      expect.objectContaining({
        code: 'E_MACHINE_KEY_MODE',
        message: `${key.file}: other users may read the machine key (mode 0${bits.toString(8)})`,
        hint: `chmod 600 ${key.file}`,
      }),
    );
    chmodSync(key.file, 0o400);
    expect(key.read()).toHaveLength(32);
  });

  it('is refused when it is damaged', () => {
    const { dataDir } = temporaryFolders();
    const key = new MachineKey(dataDir);
    key.create();
    writeFileSync(key.file, 'short');
    expect(() => key.read()).toThrow(
      expect.objectContaining({
        code: 'E_MACHINE_KEY_UNAVAILABLE',
        message: `${key.file}: damaged (5 bytes instead of 32)`,
      }),
    );
  });

  it('names the file and the fault when it cannot be read or made', () => {
    const { dataDir } = temporaryFolders();
    mkdirSync(join(dataDir, 'machine-key'), { recursive: true });
    const unavailable = expect.objectContaining({
      code: 'E_MACHINE_KEY_UNAVAILABLE',
      message: expect.stringContaining(dataDir),
      cause: expect.objectContaining({ syscall: expect.any(String) }),
    });
    expect(() => new MachineKey(dataDir).read()).toThrow(unavailable);
    writeFileSync(join(dataDir, 'file'), '');
    expect(() => new MachineKey(join(dataDir, 'file', 'deep')).create()).toThrow(unavailable);
  });
});

describe('the data folder', () => {
  it('is the one asked for, else CLEO_DATA_DIR, else the user’s own', () => {
    expect(resolveDataDir('/a', { CLEO_DATA_DIR: '/b' })).toBe('/a');
    expect(resolveDataDir(undefined, { CLEO_DATA_DIR: '/b' })).toBe('/b');
    expect(resolveDataDir(undefined, { CLEO_DATA_DIR: '' })).toMatch(/cleo/);
    expect(resolveDataDir(undefined, {})).toContain(process.env.XDG_DATA_HOME ?? homedir());
  });
});
