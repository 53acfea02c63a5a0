import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configWith, type Line, Sandbox } from '../cleo.test.kit.ts';
import { controlAddress } from '../control/address.ts';

describe('cleo agent status', () => {
  it('tells how a running agent is, and answers 0', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const agent = await box.start(['bob', '--stdout']);
    const id = await box.sendAs('ada', 'bob', 'hello');
    await agent.event('done', { id });
    const { code, lines } = await box.json(['agent', 'status', 'bob']);
    expect(code).toBe(0);
    expect(lines).toEqual([
      {
        ok: true,
        running: true,
        agentId: 'bob',
        state: 'running',
        pid: agent.pid,
        uptimeMs: expect.any(Number),
        healthy: true,
        transport: 'local',
        realtime: { state: 'off', lastReceiveAgeMs: expect.any(Number) },
        inbox: {
          inFlight: 0,
          queued: 0,
          done: 1,
          failed: 0,
          dead: 0,
          dropped: 0,
          unacked: expect.any(Number),
        },
        presence: expect.objectContaining({ state: expect.any(String) }),
        key: { state: 'ok', issuedAt: expect.any(String), ageMs: expect.any(Number) },
        problems: [],
        plugins: (agent.events[0]!.plugins as string[]).map((name) =>
          expect.objectContaining({ name, version: expect.any(String) }),
        ),
      },
    ]);
    const { stdout } = await box.cleo(['agent', 'status']);
    expect(stdout).toMatch(/^● bob is well \(process \d+, up [\d.]+ s\)\n {2}hears {4}by local, last heard /);
    expect(stdout).toContain('0 in flight, 0 queued, 1 done, 0 failed, 0 dead\n');
  });

  it('answers 3 where the agent does not run, and says how to run it', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const { code, stdout } = await box.cleo(['agent', 'status', 'bob']);
    expect([code, stdout]).toEqual([3, '○ bob does not run\n  → Run it: cleo agent start bob\n']);
    expect((await box.json(['agent', 'status', 'bob'])).lines).toEqual([
      {
        ok: true,
        running: false,
        agentId: 'bob',
        healthy: false,
        problems: [notRunning('bob')],
      },
    ]);
  });

  it('answers 3 after a kill -9, and again 0 once its successor runs', async () => {
    const box = new Sandbox();
    await box.register('bob');
    await (await box.start(['bob'])).kill();
    const after = await box.json(['agent', 'status', 'bob']);
    expect([after.code, after.lines[0]!.problems]).toEqual([3, [notRunning('bob')]]);
    const successor = await box.start(['bob']);
    const { code, lines } = await box.json(['agent', 'status', 'bob']);
    expect([code, lines[0]!.pid]).toEqual([0, successor.pid]);
  });

  it('answers 4 for an agent that is not registered', async () => {
    const box = new Sandbox();
    const { code, lines } = await box.json(['agent', 'status', 'bob']);
    expect([code, lines[0]]).toEqual([4, expect.objectContaining({ ok: false })]);
  });

  it('tells each of the agents of one process apart', async () => {
    const box = new Sandbox();
    await box.register('bob', 'eve');
    const agents = await box.start(['bob', 'eve', '--no-heartbeat']);
    await agents.event('ready', { agentId: 'eve' });
    for (const agentId of ['bob', 'eve']) {
      const { lines } = await box.json(['agent', 'status', agentId]);
      expect(lines[0]).toMatchObject({ agentId, pid: agents.pid, presence: { state: 'off' } });
    }
  });

  it('says what is wrong and what to do about it, and answers 3', async () => {
    const box = new Sandbox();
    const { url, dock } = await box.server();
    await box.registerAt({ url, dock }, 'bob');
    const agent = await box.start(['bob', '--poll-interval', '100']);
    await agent.event('realtime', { state: 'live' });
    await dock.rotateKey('bob', { overlapSeconds: 0 });
    await dock.registerAgent({ agentId: 'ada' });
    const status = await unhealthy(box);
    expect(status.problems).toContainEqual({
      severity: 'error',
      code: 'auth_failed',
      message: expect.any(String),
      hint: expect.any(String),
    });
    const { stdout } = await box.cleo(['agent', 'status', 'bob']);
    expect(stdout).toMatch(/● bob is not well.*! auth_failed: .*\n {4}→ /s);
  });

  it('says that a process does not answer, and which', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write(
      'cleo.config.ts',
      configWith(
        'ctx.on("message", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000));',
      ),
    );
    const agent = await box.start([]);
    await box.sendAs('ada', 'bob', 'block');
    await agent.event('message');
    const { code, lines } = await box.json(['agent', 'status', 'bob']);
    expect(code).toBe(3);
    expect(lines).toMatchObject([
      {
        ok: true,
        running: true,
        healthy: false,
        pid: agent.pid,
        problems: [{ severity: 'error', code: 'E_NOT_RESPONDING', hint: expect.any(String) }],
      },
    ]);
  });
});

describe('the socket of a running agent', () => {
  it('can be opened by its user only, and is gone when the agent is', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const agent = await box.start(['bob']);
    const socket = join(box.stateDir, 'run/bob.sock');
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(await agent.stop()).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  it('lies among the temporary files where its path would be too long', async () => {
    const box = new Sandbox();
    const deep = join(box.cwd, 'd'.repeat(90));
    mkdirSync(deep);
    const env = { CLEO_DIR: deep };
    expect((await box.cleo(['agent', 'register', 'bob'], { env })).code).toBe(0);
    await box.start(['bob'], { env });
    expect(controlAddress(deep, 'bob')).toMatch(join(tmpdir(), `cleo-${userInfo().uid}`));
    expect((await box.json(['agent', 'status', 'bob'], { env })).lines[0]).toMatchObject({ healthy: true });
  });

  it('is not trusted in a folder that others may write to: the agent runs and says so', async () => {
    const box = new Sandbox();
    await box.register('bob');
    chmodSync(join(box.stateDir), 0o700);
    mkdirSync(join(box.stateDir, 'run'));
    chmodSync(join(box.stateDir, 'run'), 0o777);
    const agent = await box.start(['bob']);
    await agent.until('a warning', () => agent.stderr.includes('E_CONTROL_SOCKET') || undefined);
    const { code, lines } = await box.json(['agent', 'status', 'bob']);
    expect([code, lines[0]!.problems]).toMatchObject([3, [{ code: 'not_answering' }]]);
    expect(await agent.stop()).toBe(0);
  });
});

async function unhealthy(box: Sandbox): Promise<Line> {
  for (;;) {
    const { code, lines } = await box.json(['agent', 'status', 'bob']);
    if (code === 3) return lines[0]!;
  }
}

function notRunning(agentId: string): Line {
  return {
    severity: 'error',
    code: 'not_running',
    message: `${agentId} does not run here`,
    hint: `Run it: cleo agent start ${agentId}`,
  };
}
