import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { query, spawnWorker, testDock } from './dock.test.kit.ts';

const PUSH = new URL('./push.test.worker.ts', import.meta.url);

interface Pushed {
  ids: string[];
  maxHeldMs: number;
}

describe('several processes on one file', () => {
  // In memory, because what is proven is how they share the lock, not how long this disk takes. Again, because a crowded
  // host may stop a whole virtual machine, which no process can tell from its own doing.
  it('lose nothing, fail nothing and never hold their event loops: 8 of them, 1,000 messages each', {
    timeout: 60_000,
    retry: 2,
  }, async () => {
    const senders = Array.from({ length: 8 }, (_, n) => `sender-${n}`);
    const dock = await testDock(['bob', ...senders], { file: fileInMemory() });
    const pushed = await Promise.all(
      senders.map((sender) => spawnWorker<Pushed>(PUSH, dock.file, sender, 'bob', '1000', '16').finished),
    );
    const ids = pushed.flatMap((worker) => worker.ids);
    expect(new Set(ids).size).toBe(8_000);
    const stored = query(dock.file, 'SELECT seq, id FROM messages ORDER BY seq') as {
      seq: number;
      id: string;
    }[];
    expect(stored.map(({ seq }) => seq)).toEqual(Array.from({ length: 8_000 }, (_, n) => n + 1));
    expect(new Set(stored.map(({ id }) => id))).toEqual(new Set(ids));
    expect(query(dock.file, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    expect((await dock.getAgent('bob')).stats.messagesReceived).toBe(8_000);
    expect(Math.max(...pushed.map(({ maxHeldMs }) => maxHeldMs))).toBeLessThanOrEqual(1_000);
  });

  it('open one private conversation for two agents, however many begin it at once', async () => {
    const { file } = await testDock(['alice', 'bob']);
    const pushed = await Promise.all(
      Array.from({ length: 4 }, () => spawnWorker<Pushed>(PUSH, file, 'alice', 'bob', '1', '1').finished),
    );
    expect(new Set(pushed.flatMap(({ ids }) => ids)).size).toBe(4);
    expect(query(file, 'SELECT count(*) AS n FROM conversations')).toEqual([{ n: 1 }]);
  });
});

function fileInMemory(): string {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'dock-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'signaldock.db');
}
