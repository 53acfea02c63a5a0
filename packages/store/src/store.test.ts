import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase } from '@cleocode/sqlite';
import { describe, expect, it, vi } from 'vitest';
import { startChild } from './child.test.util.ts';
import { migrations } from './schema.ts';
import { openStore } from './store.ts';
import { refusal, temporaryFolders, temporaryStore } from './temporary.test.util.ts';

describe('openStore', () => {
  it('makes a private folder and file', async () => {
    const { dir, dataDir } = temporaryFolders();
    const store = await temporaryStore({ dir, dataDir });
    expect(store.file).toBe(join(dir, 'state.db'));
    expect([statSync(dir).mode & 0o777, statSync(store.file).mode & 0o777]).toEqual([0o700, 0o600]);
  });

  it('makes nothing when told so', async () => {
    const { dir, dataDir } = temporaryFolders();
    const error = await refusal(openStore({ dir, dataDir, create: false }));
    expect(error).toMatchObject({ code: 'E_STORAGE_UNAVAILABLE' });
    expect(statSync(dir, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('needs no machine key for the journal', async () => {
    const { dir, dataDir } = temporaryFolders();
    const store = await temporaryStore({ dir, dataDir });
    await store.journalFor('bob').begin('a');
    expect(await store.registry.list()).toEqual([]);
    expect(statSync(dataDir, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('refuses a damaged file, says what to do, and leaves it as it is', async () => {
    const { dir, dataDir } = temporaryFolders();
    mkdirSync(dir);
    const file = join(dir, 'state.db');
    writeFileSync(file, 'not a database '.repeat(500));
    const before = readFileSync(file);
    const error = await refusal(openStore({ dir, dataDir }));
    expect(error).toMatchObject({
      code: 'E_STORAGE_CORRUPT',
      message: expect.stringContaining(file),
      hint: expect.stringContaining('Move the file away'),
    });
    expect(readFileSync(file)).toEqual(before);
  });

  it('brings a file from before rotations had steps along, with the one that was begun', async () => {
    const { dir, dataDir } = temporaryFolders();
    const before = await openDatabase(join(dir, 'state.db'), { migrations: migrations.slice(0, 2) });
    await before.write(() => {
      before
        .sql(
          `INSERT INTO credentials VALUES ('bob', 'Bob', x'00', 'local:', NULL, 'public', '[]', '[]', 'local', x'00', 1, NULL, NULL,
           '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', 1, 'rotation 1')`,
        )
        .run();
    });
    await before.close();
    const { registry, close } = await openStore({ dir, dataDir });
    expect(await registry.rotation('bob')).toEqual({ state: 'intent', begunAt: '2026-01-02T00:00:00Z' });
    await close();
  });

  it('refuses a file of a newer version', async () => {
    const { dir, dataDir } = temporaryFolders();
    const newer = await openDatabase(join(dir, 'state.db'), { migrations: [...migrations, 'SELECT 1'] });
    await newer.close();
    expect(await refusal(openStore({ dir, dataDir }))).toMatchObject({
      code: 'E_STORAGE_NEWER',
      hint: expect.stringContaining('Upgrade'),
    });
  });

  it('says that the folder is read-only', async () => {
    const { dir } = temporaryFolders();
    mkdirSync(dir);
    chmodSync(dir, 0o555);
    // Root may write everywhere, so the child becomes somebody else once its modules are loaded.
    const child = startChild(
      `import { openStore } from '@cleocode/store';
       if (process.getuid() === 0) process.seteuid(65534);
       const error = await openStore({ dir: process.argv[1] }).catch((error) => error);
       console.log(error.code);
       console.log(error.hint);`,
      dir,
    );
    // The folder above must let the other user pass.
    chmodSync(join(dir, '..'), 0o755);
    expect(await child.line()).toBe('E_STORAGE_READONLY');
    expect(await child.line()).toContain('this user may write it');
    chmodSync(dir, 0o755);
  });
});

describe('watch', () => {
  it('notices what another connection changed', async () => {
    const folders = temporaryFolders();
    const store = await temporaryStore(folders);
    const onChange = vi.fn();
    const unwatch = store.watch(onChange, { intervalMs: 5 });
    const other = await temporaryStore(folders);
    await other.registry.register({ agentId: 'bob', apiKey: 'x' });
    await vi.waitUntil(() => onChange.mock.calls.length > 0);
    unwatch();
  });
});
