import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

export interface Child {
  readonly pid: number;
  /** The next line it prints. Rejects when it ends without one. */
  line(): Promise<string>;
  say(line: string): void;
  kill(signal?: NodeJS.Signals): void;
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Runs a module, given as text, in a process of its own, at most until the test ends; it may import this package. */
export function startChild(source: string, ...args: string[]): Child {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--expose-gc', '--input-type=module', '-e', source, ...args],
    { cwd: new URL('..', import.meta.url), stdio: ['pipe', 'pipe', 'inherit'] },
  );
  child.stdin.on('error', () => {}); // It may be killed while it is spoken to.
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exit = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  return {
    pid: child.pid!,
    async line() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`the child ended: ${JSON.stringify(await exit)}`);
      return value;
    },
    say: (line) => child.stdin.write(`${line}\n`),
    kill: (signal = 'SIGKILL') => child.kill(signal),
    exit,
  };
}
