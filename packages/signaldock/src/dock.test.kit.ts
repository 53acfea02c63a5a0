import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { type Dock, type DockOptions, openDock } from './dock.ts';

/** A clock that stands still until it is told. */
export class TestClock {
  time = Date.parse('2026-01-01T00:00:00Z');
  readonly now = () => this.time;

  advance(seconds: number): void {
    this.time += seconds * 1000;
  }
}

export function testFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dock-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'signaldock.db');
}

/** A dock in a new file with these agents, closed after the test. */
export async function testDock(agentIds: string[] = [], options: Partial<DockOptions> = {}): Promise<Dock> {
  const dock = await openDock({ file: testFile(), ...options });
  onTestFinished(() => dock.close());
  for (const agentId of agentIds) await dock.registerAgent({ agentId });
  return dock;
}

/** Looks into the file as another process would. */
export function query(file: string, sql: string, ...parameters: (string | number)[]): unknown[] {
  const db = new DatabaseSync(file, { timeout: 1_000 });
  try {
    return db.prepare(sql).all(...parameters);
  } finally {
    db.close();
  }
}

/** Runs a script in a process of its own; `finished` is the JSON it prints, or its failure. */
export function spawnWorker<T>(script: URL, ...given: string[]): { finished: Promise<T> } {
  const child = spawn(process.execPath, [fileURLToPath(script), ...given], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const finished = (async () => {
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    if (code !== 0) throw new Error(`${script} exited with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  })();
  // A test that fails first must not be hidden by this failure.
  finished.catch(() => {});
  return { finished };
}
