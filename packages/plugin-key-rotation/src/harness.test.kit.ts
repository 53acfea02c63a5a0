import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Dock, openDock } from '@cleocode/signaldock';
import { type ServeOptions, serve } from '@cleocode/signaldock/server';
import { openStore } from '@cleocode/store';
import { onTestFinished } from 'vitest';

export interface TestWorld {
  dock: Dock;
  url: string;
  /** The folders of `bob`, who is registered at the server. */
  dir: string;
  dataDir: string;
  /** The key `bob` began with. */
  firstKey: string;
  /** How many keys of `bob` the server takes now. */
  liveKeys(): number;
  /** Changes what the server knows as no call of it does. */
  change(sql: string): void;
}

/** A real server, and a state folder in which its agent `bob` is registered; both end with the test. */
export async function testWorld(options: Partial<Omit<ServeOptions, 'dock'>> = {}): Promise<TestWorld> {
  const root = mkdtempSync(join(tmpdir(), 'key-rotation-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const file = join(root, 'signaldock.db');
  const dock = await openDock({ file });
  const server = await serve({ dock, port: 0, rateLimit: { max: 0 }, drainMs: 1_000, ...options });
  onTestFinished(async () => {
    await server.close();
    await dock.close();
  });
  const { apiKey: firstKey } = await dock.registerAgent({ agentId: 'bob' });
  const folders = { dir: join(root, '.cleo'), dataDir: join(root, 'data') };
  const store = await openStore(folders);
  await store.registry.register({ agentId: 'bob', apiKey: firstKey, apiBaseUrl: server.url });
  await store.close();
  return {
    dock,
    url: server.url,
    ...folders,
    firstKey,
    liveKeys: () => liveKeys(file),
    change: (sql) => change(file, sql),
  };
}

function change(file: string, sql: string): void {
  const db = new DatabaseSync(file, { timeout: 1_000 });
  db.exec(sql);
  db.close();
}

function liveKeys(file: string): number {
  const db = new DatabaseSync(file, { timeout: 1_000 });
  try {
    const sql =
      "SELECT count(*) AS n FROM keys WHERE agent = 'bob' AND (expires_at IS NULL OR expires_at > ?)";
    return (db.prepare(sql).get(Date.now()) as { n: number }).n;
  } finally {
    db.close();
  }
}
