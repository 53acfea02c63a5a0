import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { MAX_CONTENT_BYTES } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { isRunning, useFolder } from './process.test.kit.ts';
import { type RunInput, ShellCommand, type ShellCommandOptions } from './shell-command.ts';
import { until } from './until.test.kit.ts';

const folder = useFolder();

function make(command: string, options: Partial<ShellCommandOptions> = {}): ShellCommand {
  return new ShellCommand({ command, timeoutMs: 10_000, graceMs: 2_000, cwd: folder.path, ...options });
}

function input(more: Partial<RunInput> = {}): RunInput {
  const { signal } = new AbortController();
  return { stdin: '', env: { PATH: process.env.PATH }, captureStdout: true, signal, ...more };
}

describe('how it ended', () => {
  it.each([
    ['exit 0', { exitCode: 0, signal: null }],
    ['exit 65', { exitCode: 65, signal: null }],
    ['no-such-command-here', { exitCode: 127, signal: null }],
    ['kill -KILL $$', { exitCode: null, signal: 'SIGKILL' }],
  ])('%s', async (command, how) => {
    expect(await make(command).run(input())).toMatchObject({ ...how, endedBy: undefined });
  });

  it('is an error that names the command handler when it cannot begin', async () => {
    const error = await make('true', { cwd: folder.file('absent') })
      .run(input())
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'E_EXEC_SPAWN', cause: { code: 'ENOENT' } });
    expect(error.hint).toContain('working directory');
    await expect(make('true').run(input({ env: { BAD: 'a\0b' } }))).rejects.toMatchObject({
      code: 'E_EXEC_SPAWN',
    });
  });
});

describe('what goes in and comes out', () => {
  it('gives the input on stdin and keeps stdout and stderr apart', async () => {
    const result = await make('cat; echo problem >&2').run(input({ stdin: '{"content":"häl ☃"}\n' }));
    expect(result).toMatchObject({
      stdout: '{"content":"häl ☃"}\n',
      stderr: 'problem',
      stdoutTruncated: false,
    });
  });

  it('takes no offence at a command that does not read its input', async () => {
    const result = await make('exec 0<&-; exit 0').run(input({ stdin: 'x'.repeat(4_000_000) }));
    expect(result).toMatchObject({ exitCode: 0, endedBy: undefined });
  });

  it('keeps the first MiB of a huge output and lets the command finish', async () => {
    const result = await make('head -c 50000000 /dev/zero | tr "\\0" x; touch finished').run(input());
    expect(result).toMatchObject({ exitCode: 0, stdoutTruncated: true });
    expect(result.stdout).toBe('x'.repeat(MAX_CONTENT_BYTES));
    expect(existsSync(folder.file('finished'))).toBe(true);
  });

  it('does not cut a character in two', async () => {
    const result = await make(`yes '€€€' | tr -d '\\n' | head -c 3000000`).run(input());
    expect(result.stdoutTruncated).toBe(true);
    expect(result.stdout).toBe('€'.repeat(Math.floor(MAX_CONTENT_BYTES / 3)));
  });

  it('keeps the last lines of a long stderr, and all of it bounded', async () => {
    const lines = await make('for i in $(seq 1 2000); do echo "line $i" >&2; done').run(input());
    expect(lines.stderr.split('\n')).toEqual(Array.from({ length: 10 }, (_, n) => `line ${1991 + n}`));
    const endless = await make(`yes '€' | tr -d '\\n' | head -c 300000 >&2`).run(input());
    expect(endless.stderr).toMatch(/^€+$/);
    expect(Buffer.byteLength(endless.stderr)).toBeLessThanOrEqual(4_096);
  });

  it('drops stdout unless asked to keep it', async () => {
    const result = await make('echo hello').run(input({ captureStdout: false }));
    expect(result).toMatchObject({ exitCode: 0, stdout: '' });
  });

  it('gives the environment it is told and no other', async () => {
    const { stdout } = await make('env').run(input({ env: { PATH: process.env.PATH, ONLY: 'this' } }));
    const names = stdout.split('\n').map((line) => line.split('=')[0]);
    expect(names).toContain('ONLY');
    expect(names).not.toContain('HOME');
  });
});

describe('what is made to end', () => {
  it('gets SIGTERM at the timeout and may clean up', async () => {
    const command = make('trap "echo cleaned; exit 0" TERM; while :; do sleep 0.05; done', {
      timeoutMs: 200,
    });
    expect(await command.run(input())).toMatchObject({
      endedBy: 'timeout',
      exitCode: 0,
      stdout: 'cleaned\n',
    });
  });

  it('gets SIGKILL after the grace when it ignores SIGTERM', async () => {
    const command = make('trap "" TERM; echo $$ > pid; while :; do sleep 0.05; done', {
      timeoutMs: 200,
      graceMs: 200,
    });
    const started = performance.now();
    expect(await command.run(input())).toMatchObject({ endedBy: 'timeout', signal: 'SIGKILL' });
    expect(performance.now() - started).toBeGreaterThanOrEqual(400);
    expect(isRunning(await folder.pid('pid'))).toBe(false);
  });

  it('takes its children and theirs along', async () => {
    const command = make('(sh -c "echo \\$\\$ > grandchild; sleep 300") & echo $! > child; wait', {
      timeoutMs: 60_000,
    });
    const abort = new AbortController();
    const run = command.run(input({ signal: abort.signal }));
    const pids = [await folder.pid('child'), await folder.pid('grandchild')];
    expect(pids.map(isRunning)).toEqual([true, true]);
    abort.abort();
    expect(await run).toMatchObject({ endedBy: 'abort' });
    expect(pids.map(isRunning)).toEqual([false, false]);
  });

  it('includes what a finished command left in the background, even if that ignores SIGTERM', async () => {
    const command = make(
      '(trap "" TERM; echo up > up; while :; do sleep 0.05; done) & echo $! > left; until [ -e up ]; do sleep 0.01; done; echo done',
      {
        graceMs: 100,
      },
    );
    const result = await command.run(input());
    expect(result).toMatchObject({ exitCode: 0, stdout: 'done\n', endedBy: undefined });
    expect(isRunning(await folder.pid('left'))).toBe(false);
  });

  it('does not wait for a process that left the group and holds the pipes', async () => {
    const command = make(
      'setsid sh -c "echo \\$\\$ > away; exec sleep 300" & until [ -s away ]; do sleep 0.01; done; echo done',
    );
    const started = performance.now();
    expect(await command.run(input())).toMatchObject({ exitCode: 0, stdout: 'done\n' });
    expect(performance.now() - started).toBeLessThan(5_000);
    process.kill(await folder.pid('away'), 'SIGKILL');
  });

  it('is not begun when the signal has aborted before', async () => {
    await expect(
      make('touch began').run(input({ signal: AbortSignal.abort(new Error('over')) })),
    ).rejects.toThrow('over');
    expect(existsSync(folder.file('began'))).toBe(false);
  });

  it('is everything that runs, when the command is closed', async () => {
    const command = make('echo $$ > "pid$N"; sleep 300');
    const runs = [1, 2].map((n) => command.run(input({ env: { PATH: process.env.PATH, N: String(n) } })));
    const pids = [await folder.pid('pid1'), await folder.pid('pid2')];
    await command.close();
    expect(pids.map(isRunning)).toEqual([false, false]);
    expect(await Promise.all(runs)).toMatchObject([{ endedBy: 'abort' }, { endedBy: 'abort' }]);
    await expect(command.run(input())).rejects.toThrow('closing');
  });
});

it('leaves no process behind when the process that began it just exits', async () => {
  const module = new URL('./shell-command.ts', import.meta.url).href;
  const program = folder.file('program.mjs');
  writeFileSync(
    program,
    `import { ShellCommand } from ${JSON.stringify(module)};
     import { existsSync } from 'node:fs';
     const command = new ShellCommand({ command: 'trap "" TERM; echo $$ > pid; while :; do sleep 0.05; done', timeoutMs: 60000, graceMs: 60000 });
     command.run({ stdin: '', env: process.env, signal: new AbortController().signal, captureStdout: false });
     setInterval(() => existsSync('pid') && process.exit(3), 10);`,
  );
  const child = spawn(process.execPath, [program], { cwd: folder.path, stdio: 'inherit' });
  const code = await new Promise((resolve) => child.on('exit', resolve));
  expect(code).toBe(3);
  const pid = await folder.pid('pid');
  await until(() => !isRunning(pid));
});

it('listens for the exit of the process only while something runs', async () => {
  const before = process.listenerCount('exit');
  const run = make('sleep 0.2').run(input());
  expect(process.listenerCount('exit')).toBe(before + 1);
  await run;
  expect(process.listenerCount('exit')).toBe(before);
});
