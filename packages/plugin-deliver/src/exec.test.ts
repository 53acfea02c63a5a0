import { readFileSync } from 'node:fs';
import type { ConduitMessage, InboxEvent } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { createKernel, createLogger, type Kernel, type KernelConfig, type LogRecord } from '@cleocode/kernel';
import fromSubpath from '@cleocode/plugin-deliver/exec';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ExecOptions, exec } from './index.ts';
import { isRunning, useFolder } from './process.test.kit.ts';
import { until } from './until.test.kit.ts';

const KEY = `sk_live_${'0123456789abcdef'.repeat(4)}`;
const folder = useFolder();
let transport: MockTransport;
let kernel: Kernel | undefined;
let events: InboxEvent[];
let records: LogRecord[];

beforeEach(() => {
  transport = new MockTransport();
  events = [];
  records = [];
});

afterEach(async () => {
  await kernel?.stop();
});

async function start(options: ExecOptions, config: KernelConfig = {}): Promise<Kernel> {
  kernel = createKernel({
    agent: { id: 'bot', apiKey: KEY },
    transport,
    plugins: [exec({ cwd: folder.path, graceMs: 1_000, ...options })],
    inbox: { retryBaseMs: 1, maxAttempts: 2 },
    logger: createLogger('debug', (record) => records.push(record)),
    ...config,
  });
  await kernel.start();
  kernel.inbox.observe((event) => events.push(event));
  return kernel;
}

function message(more: Partial<ConduitMessage> = {}): ConduitMessage {
  return {
    id: 'm1',
    from: 'alice',
    content: 'hello\nthere',
    timestamp: '2026-01-01T00:00:00Z',
    threadId: 't1',
    ...more,
  };
}

const errors = () => events.flatMap((event) => (event.type === 'failed' ? [event.error] : []));

describe('a message', () => {
  it('reaches the command as one JSON line, with its facts in the environment', async () => {
    await start({
      command: 'cat > in; env | grep ^CLEO_ | sort > env; echo $GREETING > greeting',
      env: { GREETING: 'hi' },
    });
    expect(await kernel!.dispatch(message())).toEqual({ status: 'done' });
    const line = readFileSync(folder.file('in'), 'utf8');
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(JSON.parse(line)).toEqual(message());
    const facts = Object.fromEntries(
      readFileSync(folder.file('env'), 'utf8')
        .trim()
        .split('\n')
        .map((fact) => fact.split('=')),
    );
    expect(facts).toMatchObject({
      CLEO_AGENT_ID: 'bot',
      CLEO_MESSAGE_ID: 'm1',
      CLEO_FROM: 'alice',
      CLEO_THREAD_ID: 't1',
      CLEO_ATTEMPT: '1',
    });
    expect(readFileSync(folder.file('greeting'), 'utf8')).toBe('hi\n');
    expect(transport.pushed).toEqual([]);
  });

  it('never shows the command the key of the agent', async () => {
    vi.stubEnv('CLEO_API_KEY', KEY);
    vi.stubEnv('ANOTHER_NAME', KEY);
    await start({ command: 'env > env; cat /proc/self/cmdline > argv 2>/dev/null || true' });
    await kernel!.dispatch(message());
    vi.unstubAllEnvs();
    expect(readFileSync(folder.file('env'), 'utf8')).not.toContain(KEY.slice(0, 12));
  });

  it('cannot speak to the shell', async () => {
    await start({ command: 'cat > in; echo "$CLEO_FROM" > from' });
    const nasty = '"; touch owned; $(touch owned) `touch owned` \'';
    await kernel!.dispatch(message({ from: nasty, content: nasty }));
    expect(readFileSync(folder.file('from'), 'utf8')).toBe(`${nasty}\n`);
    expect(() => readFileSync(folder.file('owned'))).toThrow('ENOENT');
  });
});

describe('the exit of the command', () => {
  it('0 is done', async () => {
    await start({ command: 'exit 0' });
    expect(await kernel!.dispatch(message())).toEqual({ status: 'done' });
  });

  it('65 ends the message for good, with the last words of the command', async () => {
    await start({ command: 'echo no such order >&2; exit 65' });
    expect(await kernel!.dispatch(message())).toMatchObject({ status: 'dead', attempts: 1 });
    expect(errors()).toMatchObject([
      {
        code: 'E_PERMANENT',
        message: 'exec: the command refused the message (exit code 65): no such order',
        details: { exitCode: 65, stderr: 'no such order' },
      },
    ]);
  });

  it('anything else is tried again, and counted for the command', async () => {
    await start({ command: 'echo $CLEO_ATTEMPT >> attempts; [ $CLEO_ATTEMPT = 2 ]' });
    expect(await kernel!.dispatch(message())).toEqual({ status: 'done' });
    expect(readFileSync(folder.file('attempts'), 'utf8')).toBe('1\n2\n');
    expect(errors()).toMatchObject([{ code: 'E_EXEC_FAILED', details: { exitCode: 1, signal: null } }]);
  });

  it('127 says that the shell did not find it', async () => {
    await start({ command: 'no-such-command-here' });
    expect(await kernel!.dispatch(message())).toMatchObject({ status: 'dead', attempts: 2 });
    expect(errors()[0]).toMatchObject({
      code: 'E_EXEC_FAILED',
      message: expect.stringMatching(/^exec: the command ended with exit code 127: .*no-such-command-here/),
      hint: expect.stringContaining('PATH'),
    });
  });

  it('by a signal is tried again', async () => {
    await start({ command: 'kill -KILL $$' });
    expect(await kernel!.dispatch(message())).toMatchObject({ status: 'dead', attempts: 2 });
    expect(errors()[0]).toMatchObject({
      code: 'E_EXEC_FAILED',
      message: 'exec: the command was ended by SIGKILL',
      details: { exitCode: null, signal: 'SIGKILL' },
    });
  });

  it('that does not come in time is tried again, though it cleaned up with 0', async () => {
    await start({
      command: 'trap "exit 0" TERM; echo working >&2; while :; do sleep 0.05; done',
      timeoutMs: 150,
    });
    expect(await kernel!.dispatch(message())).toMatchObject({ status: 'dead', attempts: 2 });
    expect(errors()[0]).toMatchObject({
      code: 'E_EXEC_TIMEOUT',
      message: expect.stringMatching(/^exec: the command did not end within 150 ms: working/),
    });
  });
});

describe('with reply', () => {
  it('sends what the command wrote back, without the last line break', async () => {
    await start({ command: 'echo one; echo; echo two; echo', reply: true });
    await kernel!.dispatch(message());
    expect(transport.pushed).toMatchObject([
      { to: 'alice', content: 'one\n\ntwo\n', options: { conversationId: 't1', replyTo: 'm1' } },
    ]);
  });

  it('sends nothing when the command wrote nothing, or failed', async () => {
    await start({ command: 'echo half an answer; exit $CLEO_FROM', reply: true });
    await kernel!.dispatch(message({ from: '3' }));
    await kernel!.dispatch(message({ id: 'm2', from: '65' }));
    await kernel!.stop();
    await start({ command: 'printf "\\n"', reply: true });
    expect(await kernel!.dispatch(message({ id: 'm3' }))).toEqual({ status: 'done' });
    expect(transport.pushed).toEqual([]);
  });

  it('runs the command again when the reply could not be sent', async () => {
    transport.failNext('push', new Error('down'));
    await start({ command: 'echo $CLEO_ATTEMPT', reply: true });
    expect(await kernel!.dispatch(message())).toEqual({ status: 'done' });
    expect(transport.pushed).toMatchObject([{ content: '2' }]);
  });

  it('sends the first MiB of a longer answer, and says so in the log', async () => {
    await start({ command: 'head -c 3000000 /dev/zero | tr "\\0" x', reply: true });
    await kernel!.dispatch(message());
    expect(transport.pushed[0]!.content).toHaveLength(1024 * 1024);
    expect(records).toContainEqual(
      expect.objectContaining({ level: 'warn', message: expect.stringContaining('1 MiB') }),
    );
  });
});

it('runs no more than "concurrency" commands at once', async () => {
  await start({ command: 'echo start >> log; sleep 0.1; echo end >> log', concurrency: 1 });
  await Promise.all([1, 2, 3].map((n) => kernel!.dispatch(message({ id: `m${n}`, threadId: `t${n}` }))));
  expect(readFileSync(folder.file('log'), 'utf8')).toBe('start\nend\n'.repeat(3));
});

describe('a stop', () => {
  it('waits for the command that is about to finish', async () => {
    await start({ command: 'touch began; sleep 0.3; echo finished > out' });
    const done = kernel!.dispatch(message());
    await until(() => kernel!.inbox.stats().inFlight === 1);
    expect(await kernel!.stop()).toMatchObject({ ok: true, drained: true });
    expect(readFileSync(folder.file('out'), 'utf8')).toBe('finished\n');
    expect(await done).toEqual({ status: 'done' });
  });

  it('leaves no process behind: SIGTERM at the drain deadline, SIGKILL after the grace', async () => {
    await start(
      {
        command:
          'trap "" TERM; echo $$ > pid; (trap "" TERM; while :; do sleep 0.05; done) & echo $! > child; wait; wait',
        graceMs: 300,
      },
      { timeouts: { drainMs: 100, stopMs: 100 } },
    );
    kernel!.dispatch(message()).catch(() => {});
    const pids = [await folder.pid('pid'), await folder.pid('child')];
    const report = await kernel!.stop();
    expect(report).toMatchObject({ ok: true, drained: false, released: [{ messageId: 'm1' }] });
    expect(pids.map(isRunning)).toEqual([false, false]);
  });
});

it('refuses options it does not know, and a command that is none', async () => {
  for (const options of [{}, { command: '  ' }, { command: 'true', timeout: 5 }])
    await expect(start(options as ExecOptions)).rejects.toMatchObject({ code: 'E_PLUGIN_OPTIONS' });
  kernel = undefined;
});

it('is the default export of its own path, for configurations that can only name it', () => {
  expect(fromSubpath.definition).toBe(exec.definition);
});
