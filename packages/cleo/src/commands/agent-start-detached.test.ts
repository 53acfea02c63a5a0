import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { configWith, type Line, Sandbox } from '../cleo.test.kit.ts';

describe('cleo agent start --detach', () => {
  it('returns when the agent is ready, which goes on alone and tells its story in its log', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const { code, ready } = await startDetached(box, ['bob', '--exec', 'cat']);
    const log = join(box.stateDir, 'logs/bob.log');
    expect(code).toBe(0);
    expect(ready).toEqual([
      {
        event: 'ready',
        agentId: 'bob',
        transport: 'local',
        pid: expect.any(Number),
        plugins: expect.arrayContaining(['@cleocode/store', '@cleocode/plugin-deliver/exec']),
        log,
      },
    ]);
    const pid = ready[0]!.pid as number;
    const status = await box.json(['agent', 'status', 'bob']);
    expect(status.lines).toMatchObject([{ healthy: true, pid, detached: true, log }]);
    const id = await box.sendAs('ada', 'bob', `sk_live_0123456789abcdef0123 ${'long '.repeat(200)}`);
    await logged(box, 'bob', ({ event }) => event === 'done');
    expect((await box.json(['agent', 'stop', 'bob'])).lines).toMatchObject([
      { ok: true, pid, drained: true },
    ]);

    const story = entries(box, 'bob');
    expect(story.map(({ event }) => event)).toEqual(['starting', 'ready', 'message', 'done', 'stopped']);
    expect(story[0]).toMatchObject({
      level: 'info',
      version: expect.any(String),
      node: process.version,
      pid,
      cwd: box.cwd,
    });
    expect(story[2]).toMatchObject({
      id,
      from: 'ada',
      content: expect.stringMatching(/^sk_live_012… long .+…$/),
    });
    expect(story[4]).toMatchObject({ reason: 'requested', drained: true, ok: true });
    for (const entry of story) expect(entry.time).toMatch(/^\d{4}-.+Z$/);
    expect(readdirSync(join(box.stateDir, 'logs'))).toEqual(['bob.log']);
    expect([statSync(join(box.stateDir, 'logs')).mode & 0o777, statSync(log).mode & 0o777]).toEqual([
      0o700, 0o600,
    ]);

    const shown = await box.cleo(['agent', 'logs']);
    expect(shown.stdout).toMatch(
      /^[-\d]+ [\d:.]+ info {2}○ cleo .+ starts \(process \d+.*\n.+● bob is ready.*\n.+← ada: .*\n.+✓ done in \d+ ms.*\n.+■ bob stopped \(everything in hand was finished\), asked by cleo agent stop\n$/,
    );
    expect((await box.json(['agent', 'logs', 'bob', '-n', '1'])).lines).toMatchObject([
      { event: 'stopped' },
      { ok: true, count: 1 },
    ]);
  });

  it('starts again at once after a kill -9, and both the log and its reader say what happened', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const first = await startDetached(box, ['bob']);
    process.kill(first.ready[0]!.pid as number, 'SIGKILL');
    await vi.waitUntil(() => !isAlive(first.ready[0]!.pid as number));
    const shown = await box.cleo(['agent', 'logs']);
    expect([shown.code, shown.stderr]).toEqual([
      0,
      'bob does not run: its process ended without a word. It was killed, or the machine went down.\n',
    ]);
    const second = await startDetached(box, ['bob']);
    expect(second.code).toBe(0);
    expect(entries(box, 'bob').findLast(({ event }) => event === 'starting')).toMatchObject({
      pid: second.ready[0]!.pid,
      ended: expect.any(String),
    });
    const again = await box.json(['agent', 'start', 'bob', '--detach']);
    expect([again.code, again.lines]).toMatchObject([
      5,
      [{ error: { code: 'E_ALREADY_RUNNING', hint: expect.stringContaining('cleo agent stop bob') } }],
    ]);
    expect(isAlive(second.ready[0]!.pid as number)).toBe(true);
  });

  it('runs several in one process, each with its log: one that cannot start does not take the others', async () => {
    const box = new Sandbox();
    await box.register('ada', 'bob', 'eve');
    const ada = await box.start(['ada']);
    const { code, lines, ready } = await startDetached(box, ['--all']);
    expect(code).toBe(1);
    expect(lines).toContainEqual(
      expect.objectContaining({ error: expect.objectContaining({ code: 'E_ALREADY_RUNNING' }) }),
    );
    expect(ready.map(({ agentId }) => agentId).toSorted()).toEqual(['bob', 'eve']);
    expect(new Set(ready.map(({ pid }) => pid)).size).toBe(1);
    expect(readdirSync(join(box.stateDir, 'logs')).filter((name) => name.endsWith('.log'))).toEqual([
      'bob.log',
      'eve.log',
    ]);
    expect((await box.json(['agent', 'stop', '--all'])).code).toBe(0);
    expect((await ada.exit).code).toBe(0);
    await vi.waitUntil(() => !isAlive(ready[0]!.pid as number));
  });

  it('writes what its plugins print, and an error that nobody caught, to the log', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write(
      'cleo.config.ts',
      configWith(`ctx.on("message", () => {
        console.log("printed\\nlines");
        process.emitWarning("careful");
        setTimeout(() => { throw new Error("lost"); }, 10);
      });`),
    );
    const { ready, stderr } = await startDetached(box, []);
    expect(stderr).toContain('bob is new here');
    await box.sendAs('ada', 'bob', 'hello');
    await vi.waitUntil(() => !isAlive(ready[0]!.pid as number));
    const story = entries(box, 'bob');
    expect(story.filter(({ event }) => event === undefined)).toMatchObject([
      { message: expect.stringContaining('bob is new here') },
      { level: 'info', message: 'printed' },
      { level: 'info', message: 'lines' },
      { level: 'warn', message: 'Node: Warning: careful' },
      {
        level: 'error',
        message: 'lost',
        code: 'E_UNEXPECTED',
        stack: expect.stringContaining('cleo.config.ts'),
      },
    ]);
    expect(story.at(-1)).toMatchObject({ event: 'stopped', reason: 'crashed' });
  });

  it('writes what it only shows as a whole, tells that nothing else is done with it, and rotates a log that is full', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const log = join(box.stateDir, 'logs/bob.log');
    mkdirSync(join(box.stateDir, 'logs'), { mode: 0o700 });
    writeFileSync(log, `${'x'.repeat(1_023)}\n`.repeat(10 * 1_024));
    const start = await box.cleo(['agent', 'start', 'bob', '--detach']);
    onTestFinished(() => end(Number(/process (\d+)/.exec(start.stdout)?.[1])));
    expect(start.stdout).toMatch(
      /^● bob runs in the background \(local, process \d+\)\n {2}Nothing handles its messages/,
    );
    expect(start.stdout).toMatch(
      /cleo agent logs bob -f .*bob\.log[\s\S]+cleo agent status bob\n.+cleo agent stop bob\n$/,
    );
    await box.sendAs('ada', 'bob', 'x'.repeat(2_000));
    await logged(box, 'bob', ({ event }) => event === 'done');
    expect(entries(box, 'bob')).toContainEqual(expect.objectContaining({ content: 'x'.repeat(2_000) }));
    expect([entries(box, 'bob')[0], statSync(`${log}.1`).size]).toMatchObject([
      { event: 'starting' },
      10 * 1_024 ** 2,
    ]);
    const shown = await box.cleo(['agent', 'logs', '-n', '5']);
    expect(shown.stdout.split('\n')).toMatchObject([
      expect.stringContaining(' xxx'),
      expect.stringContaining(' starts '),
      expect.stringContaining(' is ready '),
      expect.stringContaining(' ← ada: xxx'),
      expect.stringContaining(' done in '),
      '',
    ]);
  });

  it.for([
    ['the agent is not registered', { args: ['bob'], code: 4, error: 'E_NOT_FOUND_AGENT' }],
    [
      'the configuration cannot be used',
      { args: [], config: '{ "agent": "bob", "plugin": [] }', code: 2, error: 'E_CONFIG_INVALID' },
    ],
  ] as const)(
    'fails as in the foreground and leaves nothing when %s',
    async ([, { args, code, error, ...rest }]) => {
      const box = new Sandbox();
      if ('config' in rest) box.write('cleo.config.json', rest.config);
      const answer = await box.json(['agent', 'start', ...args, '--detach']);
      expect([answer.code, answer.lines]).toMatchObject([
        code,
        [{ ok: false, error: { code: error, hint: expect.any(String) } }],
      ]);
      expect(existsSync(box.stateDir)).toBe(false);
    },
  );

  it('fails when its log cannot be written', async () => {
    const box = new Sandbox();
    await box.register('bob');
    box.write('.cleo/logs', 'a file in the way');
    const folder = await box.json(['agent', 'start', 'bob', '--detach']);
    expect([folder.code, folder.lines]).toMatchObject([1, [{ error: { code: 'E_LOG_UNWRITABLE' } }]]);
    rmSync(join(box.stateDir, 'logs'));
    mkdirSync(join(box.stateDir, 'logs/bob.log'), { recursive: true });
    const file = await box.json(['agent', 'start', 'bob', '--detach']);
    expect([file.code, file.lines]).toMatchObject([1, [{ error: { code: 'E_LOG_UNWRITABLE' } }]]);
    expect(lockPid(box, 'bob')).toBeUndefined();
  });

  it('says how its process ended when that was killed while it started, or ended by itself', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write('killed.ts', configWith('ctx.on("init", () => process.kill(process.pid, "SIGKILL"));'));
    box.write('ended.ts', 'console.log("no luck"); process.exit(3);');
    const killed = await box.json(['agent', 'start', '--config', 'killed.ts', '--detach']);
    expect([killed.code, killed.lines]).toMatchObject([
      1,
      [
        {
          error: {
            code: 'E_DETACH_FAILED',
            message: 'the background process was ended by SIGKILL before it was ready',
          },
        },
      ],
    ]);
    const ended = await box.cleo(['agent', 'start', '--config', 'ended.ts', '--detach']);
    expect([ended.code, ended.stderr]).toEqual([
      1,
      expect.stringMatching(
        /^error E_DETACH_FAILED: the background process ended with exit code 3 before it was ready\nno luck\n {2}→/,
      ),
    ]);
  });

  it('leaves no process when it is ended itself before the agent is ready', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write(
      'cleo.config.ts',
      configWith('ctx.on("init", () => new Promise((r) => setTimeout(r, 1_000)));'),
    );
    const start = box.spawn(['agent', 'start', '--detach']);
    const pid = await vi.waitUntil(() => lockPid(box, 'bob'));
    await start.kill();
    await vi.waitUntil(() => !isAlive(pid));
    expect(entries(box, 'bob').at(-1)).toMatchObject({ event: 'stopped', reason: 'SIGTERM' });
    expect(readdirSync(join(box.stateDir, 'logs'))).toEqual(['bob.log']);
  });
});

describe('cleo agent logs', () => {
  it('follows the log, and ends with 0 on Ctrl-C', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const log = join(box.stateDir, 'logs/bob.log');
    mkdirSync(join(box.stateDir, 'logs'));
    const line = (message: string) =>
      `${JSON.stringify({ time: '2026-01-31T09:05:03.120Z', level: 'info', message })}\n`;
    writeFileSync(log, line('one') + line('two'));
    const following = box.spawn(['agent', 'logs', 'bob', '-f', '-n', '1', '--json']);
    await following.until('what is there', () => following.stdout.includes('two') || undefined);
    appendFileSync(log, line('three'));
    await following.until('what comes', () => following.stdout.includes('three') || undefined);
    expect(await following.stop('SIGINT')).toBe(0);
    expect(following.events.map(({ message }) => message)).toEqual(['two', 'three']);
  });

  it('says why there is none, and what to do', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const { code, stderr } = await box.cleo(['agent', 'logs']);
    expect([code, stderr]).toEqual([
      4,
      'error E_NOT_FOUND_LOG: bob has no log: it has not run in the background here\n  → Run it in the background: cleo agent start bob --detach\n',
    ]);
    await box.start(['bob']);
    expect((await box.cleo(['agent', 'logs', 'bob'])).stderr).toContain('runs it in the foreground');
  });
});

/** Starts in the background; what it started has ended when the test is over. */
async function startDetached(box: Sandbox, args: string[]) {
  const answer = await box.json(['agent', 'start', ...args, '--detach']);
  const ready = answer.lines.filter(({ event }) => event === 'ready');
  for (const { pid } of ready) onTestFinished(() => end(pid as number));
  return { ...answer, ready };
}

async function end(pid: number): Promise<void> {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  await vi.waitUntil(() => !isAlive(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that has ended stays in the table until its parent has looked.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch (error) {
    return process.platform !== 'linux' && (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function lockPid(box: Sandbox, agentId: string): number | undefined {
  const file = join(box.stateDir, 'run', `${agentId}.lock.pid`);
  return (existsSync(file) && Number.parseInt(readFileSync(file, 'utf8'), 10)) || undefined;
}

function entries(box: Sandbox, agentId: string): Line[] {
  const text = readFileSync(join(box.stateDir, 'logs', `${agentId}.log`), 'utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
}

async function logged(box: Sandbox, agentId: string, wanted: (entry: Line) => boolean): Promise<void> {
  await vi.waitUntil(() => entries(box, agentId).some(wanted));
}
