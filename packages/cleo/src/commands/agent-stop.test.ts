import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configWith, Sandbox } from '../cleo.test.kit.ts';

const HANGS = 'ctx.on("message", () => new Promise(() => {}));';
const BLOCKS =
  'ctx.on("message", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000));';

describe('cleo agent stop', () => {
  it('ends agents one by one, the process with the last, and says how each ended', async () => {
    const box = new Sandbox();
    await box.register('bob', 'eve');
    const both = await box.start(['bob', 'eve']);
    await Promise.all([both.event('ready', { agentId: 'bob' }), both.event('ready', { agentId: 'eve' })]);
    const unnamed = await box.json(['agent', 'stop']);
    expect([unnamed.code, unnamed.lines]).toMatchObject([
      2,
      [{ error: { code: 'E_USAGE', message: 'several agents run: bob, eve' } }],
    ]);
    const bob = await box.json(['agent', 'stop', 'bob']);
    expect([bob.code, bob.lines]).toEqual([
      0,
      [{ ok: true, agentId: 'bob', pid: both.pid, by: 'request', drained: true, released: [], forced: [] }],
    ]);
    await both.event('done', { agentId: 'eve', id: await box.sendAs('ada', 'eve', 'are you there?') });
    const { code, stdout } = await box.cleo(['agent', 'stop']);
    expect([code, stdout]).toEqual([
      0,
      `■ eve stopped (process ${both.pid}; everything in hand was finished)\n`,
    ]);
    expect(await both.exit).toEqual({ code: 0, signal: null });
    expect(both.events.filter(({ event }) => event === 'stopped')).toMatchObject([
      { agentId: 'bob', reason: 'requested', drained: true, ok: true },
      { agentId: 'eve', reason: 'requested', drained: true, ok: true },
    ]);
  });

  it('answers 3 for one that does not run, also after a kill -9, and stops the others', async () => {
    const box = new Sandbox();
    await box.register('bob', 'eve');
    const [bob, eve] = await Promise.all([box.start(['bob']), box.start(['eve'])]);
    await bob.kill();
    const { code, lines } = await box.json(['agent', 'stop', 'bob', 'eve']);
    expect(code).toBe(3);
    expect(lines).toMatchObject([
      { ok: true, agentId: 'eve' },
      {
        ok: false,
        error: {
          code: 'E_NOT_RUNNING',
          message: 'bob does not run here',
          hint: 'Run it: cleo agent start bob',
        },
      },
    ]);
    expect((await eve.exit).code).toBe(0);
    const none = await box.json(['agent', 'stop', '--all']);
    expect([none.code, none.lines]).toMatchObject([3, [{ error: { code: 'E_NOT_RUNNING' } }]]);
  });

  it('stops nothing when one of those named is not registered', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const bob = await box.start(['bob']);
    const { code, lines } = await box.json(['agent', 'stop', 'bob', 'eve']);
    expect([code, lines]).toMatchObject([4, [{ error: { code: 'E_NOT_FOUND_AGENT' } }]]);
    expect(await bob.stop()).toBe(0);
  });

  it('says how many messages come again', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write('cleo.config.ts', configWith(HANGS, 'timeouts: { drainMs: 50 },'));
    const agent = await box.start([]);
    const id = await box.sendAs('ada', 'bob', 'hello');
    await agent.event('message', { id });
    const { code, lines } = await box.json(['agent', 'stop']);
    expect([code, lines]).toMatchObject([
      0,
      [{ by: 'request', drained: false, released: [{ messageId: id }] }],
    ]);
    expect((await agent.exit).code).toBe(0);
  });

  it('says aloud that it sends SIGTERM, then SIGKILL, to a process that does not answer, and whom else that ends', {
    timeout: 30_000,
  }, async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write('cleo.config.ts', configWith(BLOCKS));
    await box.register('eve');
    const agent = await box.start(['bob', 'eve']);
    await agent.event('ready', { agentId: 'bob' });
    await box.sendAs('ada', 'bob', 'block');
    await agent.event('message');
    const { code, lines, stderr } = await box.json(['agent', 'stop', 'bob', '--timeout', '0.2']);
    expect(stderr.split('\n')).toEqual([
      `bob (process ${agent.pid}) has not stopped in 0.2 s: sending SIGTERM, which ends eve too`,
      `bob (process ${agent.pid}) has not stopped in 5 s: sending SIGKILL, which ends eve too`,
      '',
    ]);
    expect([code, lines]).toEqual([0, [{ ok: true, agentId: 'bob', pid: agent.pid, by: 'SIGKILL' }]]);
    expect(await agent.exit).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('sends no signal to a process that does not hold the lock, whatever pid is written beside it', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write('cleo.config.ts', configWith(BLOCKS));
    const agent = await box.start([]);
    await box.sendAs('ada', 'bob', 'block');
    await agent.event('message');
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']);
    onTestFinished(() => void bystander.kill());
    box.write('.cleo/run/bob.lock.pid', `${bystander.pid}\n`);
    const { code, lines, stderr } = await box.json(['agent', 'stop', 'bob', '--timeout', '0.1']);
    expect([code, lines, stderr]).toMatchObject([1, [{ error: { code: 'E_STOP_FAILED' } }], '']);
    expect([bystander.exitCode, bystander.signalCode]).toEqual([null, null]);
  });

  it('says when what has run the agent may start it again', async () => {
    const box = new Sandbox();
    await box.register('bob');
    // As systemd does it: the shell is replaced by the process whose pid it has told.
    const command = 'SYSTEMD_EXEC_PID=$$ exec "$0" "$@"';
    const bin = join(import.meta.dirname, '../bin.js');
    const unit = spawn('sh', ['-c', command, process.execPath, bin, 'agent', 'start', 'bob'], {
      cwd: box.cwd,
      env: box.env,
    });
    onTestFinished(() => void unit.kill('SIGKILL'));
    await once(unit.stdout, 'data');
    const { code, lines, stderr } = await box.json(['agent', 'stop', 'bob']);
    expect([code, lines]).toMatchObject([0, [{ ok: true, by: 'request', keptBy: 'systemd' }]]);
    expect(stderr).toContain('bob was run by systemd, which may start it again');
  });

  it('ends an agent that still starts', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write(
      'cleo.config.ts',
      configWith('ctx.on("init", () => new Promise((r) => { console.error("init"); setTimeout(r, 500); }));'),
    );
    const agent = box.spawn(['agent', 'start', '--json']);
    await agent.until('init', () => agent.stderr.includes('init') || undefined);
    expect((await box.json(['agent', 'stop'])).lines).toMatchObject([{ ok: true, by: 'request' }]);
    expect((await agent.exit).code).toBe(0);
  });
});
