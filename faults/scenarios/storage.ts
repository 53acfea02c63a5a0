import { equal, ok } from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from '../lib/scenario.ts';
import { until } from '../lib/workbench.ts';

const diskFull: Scenario = {
  name: 'given a full disk, then nothing is acked, the agent says storage_full, and delivery resumes within 10 s of space returning',
  skip: () => (canMount() ? undefined : 'needs root and mount to make a small file system'),
  async run(bench) {
    mkdirSync(bench.stateDir, { recursive: true, mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs', bench.stateDir]);
    bench.onCleanUp(() => void execFileSync('umount', ['-l', bench.stateDir]));
    const others = Array.from({ length: 8 }, (_, index) => `other-${index}`);
    await bench.register('prime', others);
    const agent = bench.agent('prime');
    await agent.ready();
    const sent = await bench.send({ from: others, to: 'prime', count: 8, rate: 0, content: '{"do":"gate"}' });
    await until('eight handlers are at work', () => bench.ledger.starts().length === 8);
    const ballast = join(bench.stateDir, 'ballast');
    spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4096']);
    writeFileSync(bench.gate, '');
    const problem = await agent.event(({ event, code }) => event === 'problem' && code === 'storage_full');
    equal(problem.resolved, false);
    await sleep(2_000);
    equal(await bench.unread('prime'), sent.length, 'nothing is acked while nothing can be stored');
    rmSync(ballast);
    const freed = performance.now();
    await until('all acked', async () => (await bench.unread('prime')) === 0, 10_000);
    ok(performance.now() - freed <= 10_000);
    await agent.event(
      ({ event, code, resolved }) => event === 'problem' && code === 'storage_full' && resolved === true,
    );
    equal((await agent.stop()).code, 0);
    equal(bench.ledger.starts().length, sent.length, 'no handler ran twice for want of a disk');
  },
};

const fsyncFails: Scenario = {
  name: 'given fsync returns EIO, then the message is not acked, the error is visible, and delivery resumes when it works again',
  skip: () => (spawnSync('strace', ['-V']).status === 0 ? undefined : 'needs strace'),
  async run(bench) {
    await bench.register('prime', ['alice']);
    const agent = bench.agent('prime');
    await agent.ready();
    const tracer = spawn(
      'strace',
      [
        '-f',
        '-qq',
        '-p',
        String(agent.pid),
        '-e',
        'trace=fsync,fdatasync',
        '-e',
        'inject=fsync,fdatasync:error=EIO',
      ],
      {
        stdio: ['ignore', 'ignore', 'ignore'],
      },
    );
    bench.onCleanUp(() => void tracer.kill('SIGKILL'));
    await until('traced', () => tracerOf(agent.pid) !== 0);
    const [id] = await bench.send({ from: ['alice'], to: 'prime', count: 1, rate: 0, content: 'hello' });
    const problem = await agent.event(({ event, resolved }) => event === 'problem' && resolved === false);
    equal(problem.code, 'storage_io');
    equal(await bench.unread('prime'), 1, 'not acked');
    tracer.kill('SIGTERM');
    await until(
      'handled and acked',
      async () => bench.ledger.handled().has(id!) && (await bench.unread('prime')) === 0,
    );
    equal((await agent.stop()).code, 0);
  },
};

function canMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  const folder = '/tmp/cleo-faults-mount';
  mkdirSync(folder, { recursive: true });
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status === 0;
  if (mounted) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
  return mounted;
}

function tracerOf(pid: number): number {
  const status = execFileSync('grep', [
    'TracerPid',
    join(dirname(`/proc/${pid}/status`), 'status'),
  ]).toString();
  return Number(status.split(':')[1]);
}

export default [diskFull, fsyncFails];
