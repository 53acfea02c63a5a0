import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { until } from './until.test.kit.ts';

/** A folder of its own for each test. */
export function useFolder(): {
  readonly path: string;
  file(name: string): string;
  pid(name: string): Promise<number>;
} {
  let path = '';
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'cleo-deliver-'));
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));
  const file = (name: string) => join(path, name);
  return {
    get path() {
      return path;
    },
    file,
    /** The process id that a command writes to the file, once it is there. */
    async pid(name) {
      const read = () => (existsSync(file(name)) ? Number(readFileSync(file(name), 'utf8')) : 0);
      await until(() => read() > 0);
      return read();
    },
  };
}

/** Whether a process is at work; one that has ended and waits to be collected is not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    if (process.platform !== 'linux') return true;
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
  } catch {
    return false;
  }
}
