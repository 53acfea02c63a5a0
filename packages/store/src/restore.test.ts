import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { CleoError } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { openStore } from './store.ts';
import { refusal, temporaryFolders, temporaryStore } from './temporary.test.util.ts';

const KEY = 'sk_live_0123456789abcdef0123456789abcdef';
const LATER = '2999-01-01T00:00:00.000Z';

/** Folders in which `bob` and `eve` are registered, and the key of `bob` was rotated; nothing has the database open. */
async function world() {
  const folders = temporaryFolders();
  const issue = async () => ({ apiKey: `${KEY}-2`, previousKeyExpiresAt: LATER });
  const store = await openStore({ ...folders, issuer: { issue } });
  await store.registry.register({ agentId: 'eve', apiKey: 'key of eve' });
  await store.registry.register({ agentId: 'bob', apiKey: KEY });
  await store.registry.rotateKey('bob');
  await store.close();
  return { ...folders, file: join(folders.dir, 'state.db'), backup: join(folders.dir, 'credentials.backup') };
}

/** Opens the store again, and what it warned of. */
async function reopened(folders: { dir: string; dataDir: string }) {
  const warnings: CleoError[] = [];
  const store = await temporaryStore({ ...folders, onWarning: (warning) => warnings.push(warning) });
  return { ...store, warnings };
}

function sql(file: string, statement: string): void {
  const db = new DatabaseSync(file);
  db.exec(statement);
  db.close();
}

function removeDatabase(dir: string): void {
  for (const name of readdirSync(dir)) if (name.startsWith('state.db')) rmSync(join(dir, name));
}

describe('credentials that the database has lost', () => {
  it.each([
    ['when the file is gone', ({ dir }: { dir: string }) => removeDatabase(dir)],
    ['when the file is empty', ({ file }: { file: string }) => truncateSync(file)],
  ])('are put back, with the rotation, %s', async (_, damage) => {
    const folders = await world();
    damage(folders);
    const { registry, warnings } = await reopened(folders);
    expect((await registry.list()).map(({ agentId, apiKey }) => [agentId, apiKey])).toEqual([
      ['bob', `${KEY}-2`],
      ['eve', 'key of eve'],
    ]);
    expect(await registry.rotation('bob')).toMatchObject({ state: 'active', previousKeyExpiresAt: LATER });
    expect(warnings).toMatchObject([
      {
        code: 'E_CREDENTIALS_RESTORED',
        message: expect.stringContaining('"bob", "eve"'),
        hint: expect.stringContaining('register the newest one'),
      },
    ]);
  });

  it('are put back for the one agent whose row is damaged', async () => {
    const folders = await world();
    sql(
      folders.file,
      "UPDATE credentials SET api_key = zeroblob(60), display_name = 'x' WHERE agent_id = 'bob'",
    );
    const { registry, warnings } = await reopened(folders);
    expect(await registry.get('bob')).toMatchObject({ apiKey: `${KEY}-2`, displayName: 'bob' });
    expect(warnings).toMatchObject([{ code: 'E_CREDENTIALS_RESTORED', details: { agentIds: ['bob'] } }]);
    expect((await reopened(folders)).warnings).toEqual([]);
  });

  it('are put back from the generation before when the newest one is damaged', async () => {
    const folders = await world();
    const text = readFileSync(folders.backup, 'utf8');
    writeFileSync(folders.backup, text.slice(0, text.length / 2));
    removeDatabase(folders.dir);
    const { registry } = await reopened(folders);
    // Before its last step the rotation had the new key on disk, and the old one in use.
    expect((await registry.get('bob'))?.apiKey).toBe(KEY);
    expect(await registry.rotation('bob')).toMatchObject({ state: 'stored' });
  });

  it('are told apart from those of an agent that was removed: its key is in no file any more', async () => {
    const folders = await world();
    const store = await openStore(folders);
    await store.registry.remove('bob');
    await store.close();
    for (const name of ['credentials.backup', 'credentials.backup.1'])
      expect(readFileSync(join(folders.dir, name), 'utf8')).not.toContain('bob');
    removeDatabase(folders.dir);
    const { registry } = await reopened(folders);
    expect((await registry.list()).map(({ agentId }) => agentId)).toEqual(['eve']);
  });

  it('stay lost without the machine key, and nothing is in the way of registering anew', async () => {
    const folders = await world();
    removeDatabase(folders.dir);
    rmSync(join(folders.dataDir, 'machine-key'));
    const { registry, warnings } = await reopened(folders);
    expect(warnings).toEqual([]);
    await registry.register({ agentId: 'bob', apiKey: 'again' });
    expect((await registry.get('bob'))?.apiKey).toBe('again');
  });
});

it('a damaged database is left as it is, and the error says how the credentials come back', async () => {
  const folders = await world();
  writeFileSync(folders.file, 'not a database '.repeat(500));
  const error = await refusal(openStore(folders));
  expect(error.code).toBe('E_STORAGE_CORRUPT');
  expect(error.hint).toContain(folders.file);
  expect(error.hint).toContain(folders.backup);
  removeDatabase(folders.dir);
  expect((await (await reopened(folders)).registry.get('bob'))?.apiKey).toBe(`${KEY}-2`);
});

it('a backup that cannot be written is told, and what was to be stored is', async () => {
  const folders = await world();
  rmSync(folders.backup);
  const { registry, warnings } = await reopened(folders);
  // A folder is in the way.
  mkdirSync(join(folders.backup, 'x'), { recursive: true });
  await registry.update('bob', { displayName: 'Robert' });
  expect((await registry.get('bob'))?.displayName).toBe('Robert');
  expect(warnings).toMatchObject([
    {
      code: 'E_CREDENTIALS_BACKUP',
      message: expect.stringContaining(folders.backup),
      cause: expect.any(Error),
    },
  ]);
});
