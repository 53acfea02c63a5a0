import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { query, testDock, testFile } from './dock.test.kit.ts';
import { openDock } from './dock.ts';
import { MIGRATIONS } from './schema.ts';

describe('openDock', () => {
  it('makes the file, for this user only, and sets its version', async () => {
    const { file } = await testDock();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(query(file, 'PRAGMA user_version')).toEqual([{ user_version: MIGRATIONS.length }]);
  });

  it('does not make the file when told not to', async () => {
    await expect(openDock({ file: testFile(), create: false })).rejects.toMatchObject({
      code: 'E_STORAGE_UNAVAILABLE',
    });
  });

  it('shares one connection among those who open the same file', async () => {
    const file = testFile();
    const [one, two] = await Promise.all([openDock({ file }), openDock({ file })]);
    await one.registerAgent({ agentId: 'alice' });
    await one.registerAgent({ agentId: 'bob' });
    const heard: string[] = [];
    one.onMessages('bob', ({ content }) => heard.push(content));
    await two.send('alice', 'bob', { content: 'x' });
    expect(heard).toEqual(['x']);
    await one.close();
    await one.close();
    expect(await two.peek('bob')).toHaveLength(1);
    await two.close();
    await expect(two.peek('bob')).rejects.toMatchObject({ code: 'E_STORAGE_CLOSED' });
  });

  it('opens a file again after it was closed, and while it is being closed', async () => {
    const file = testFile();
    const first = await openDock({ file });
    await first.registerAgent({ agentId: 'bob' });
    const closing = first.close();
    const second = await openDock({ file });
    await closing;
    expect(await second.getAgent('bob')).toMatchObject({ agentId: 'bob' });
    await second.close();
    const third = await openDock({ file });
    expect(await third.getAgent('bob')).toMatchObject({ agentId: 'bob' });
    await third.close();
  });

  it('tries anew after it could not open', async () => {
    const file = testFile();
    const failed = await Promise.allSettled([1, 2].map(() => openDock({ file, create: false })));
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await (await openDock({ file })).close();
  });

  it('refuses a file that is no database, and one of a newer version', async () => {
    const file = testFile();
    writeFileSync(file, 'x'.repeat(10_000));
    await expect(openDock({ file })).rejects.toMatchObject({ code: 'E_STORAGE_CORRUPT' });
    const newer = join(dirname(file), 'newer.db');
    const db = new DatabaseSync(newer);
    db.exec('PRAGMA user_version = 99');
    db.close();
    await expect(openDock({ file: newer })).rejects.toMatchObject({ code: 'E_STORAGE_NEWER' });
  });

  it('keeps what was sent: a send that resolved is in the file', async () => {
    const file = testFile();
    const dock = await openDock({ file });
    for (const agentId of ['alice', 'bob']) await dock.registerAgent({ agentId });
    const sends = Array.from({ length: 10 }, (_, n) => dock.send('alice', 'bob', { content: `${n}` }));
    await dock.close();
    await Promise.all(sends);
    const again = await openDock({ file });
    expect(await again.peek('bob')).toHaveLength(10);
    await again.close();
  });
});

describe('a file that is damaged later', () => {
  it('fails each call with a code and the name of the file', async () => {
    const file = testFile();
    const dock = await openDock({ file });
    for (const agentId of ['alice', 'bob']) await dock.registerAgent({ agentId });
    for (let n = 0; n < 100; n++) await dock.send('alice', 'bob', { content: 'x'.repeat(1_000) });
    await dock.close();
    damage(file);
    const again = await openDock({ file });
    for (const call of [
      again.peek('bob'),
      again.unreadSummary('bob'),
      again.send('alice', 'bob', { content: 'x' }),
    ])
      await expect(call).rejects.toMatchObject({
        code: 'E_STORAGE_CORRUPT',
        message: expect.stringContaining(file),
      });
    await again.close();
  });
});

/** Overwrites every page but those of the schema. */
function damage(file: string): void {
  const pages = query(file, "SELECT pageno FROM dbstat WHERE name <> 'sqlite_schema'") as {
    pageno: number;
  }[];
  const bytes = readFileSync(file);
  for (const { pageno } of pages) bytes.fill(0xff, (pageno - 1) * 4096, pageno * 4096);
  writeFileSync(file, bytes);
}
