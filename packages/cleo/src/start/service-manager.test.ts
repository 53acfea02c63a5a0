import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Sandbox } from '../cleo.test.kit.ts';
import { type ServiceManager, serviceManager } from './service-manager.ts';

const folder = mkdtempSync(join(tmpdir(), 'cleo-notify-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

interface Agent {
  agentId: string;
  stuck: { severity: 'error'; code: string; message: string } | undefined;
}

/** A manager whose `systemd-notify` writes down what it is told. */
function withFake(agents: Agent[], variables: Record<string, string> = {}) {
  files += 1;
  const told = join(folder, `told-${files}`);
  writeFileSync(join(folder, 'systemd-notify'), '#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> "$TOLD"\n', {
    mode: 0o755,
  });
  const notes: string[] = [];
  const env: NodeJS.ProcessEnv = {
    PATH: `${folder}:${process.env.PATH}`,
    TOLD: told,
    NOTIFY_SOCKET: '@manager',
    ...variables,
  };
  const manager = serviceManager(agents, { note: (text) => notes.push(text) }, env) as ServiceManager;
  onTestFinished(() => manager.end());
  const words = () => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : []);
  return { manager, env, notes, words };
}

describe('what systemd is told', () => {
  it('is nothing where it does not listen', () => {
    expect(serviceManager([], { note() {} }, {})).toBeUndefined();
  });

  it('is that the agents are ready, alive as long as they are, and stopping; handlers cannot speak for them', async () => {
    const bob: Agent = { agentId: 'bob', stuck: undefined };
    const { manager, env, notes, words } = withFake([bob], {
      WATCHDOG_USEC: '40000',
      WATCHDOG_PID: `${process.pid}`,
    });
    expect(Object.keys(env)).toEqual(['PATH', 'TOLD']);
    await manager.ready();
    await vi.waitUntil(() => words().length >= 3);
    expect(words().slice(0, 2)).toEqual(['@manager READY=1 STATUS=bob is ready', '@manager WATCHDOG=1']);
    await manager.stopping();
    manager.end();
    expect(words().filter((word) => word.includes('STOPPING=1'))).toHaveLength(1);
    expect(notes).toEqual([]);
  });

  it('is not that an agent is alive which only a restart can help', async () => {
    const stuck = { severity: 'error', code: 'storage_replaced', message: 'state.db was replaced' } as const;
    const agents = [
      { agentId: 'ada', stuck: undefined },
      { agentId: 'bob', stuck },
    ];
    const { manager, notes, words } = withFake(agents, { WATCHDOG_USEC: '20000' });
    await manager.ready();
    await vi.waitUntil(() => notes.length > 0);
    expect(notes).toEqual([
      "warning: bob needs a restart, and systemd's watchdog may do it: state.db was replaced",
    ]);
    expect(words()).toEqual(['@manager READY=1 STATUS=ada, bob are ready']);
  });

  it('is said in vain once, where systemd-notify is missing', async () => {
    const { manager, notes } = withFake([{ agentId: 'bob', stuck: undefined }], { PATH: '/nonexistent' });
    await manager.ready();
    await manager.ready();
    expect(notes).toEqual([expect.stringMatching(/^warning: systemd cannot be told "READY=1": .*ENOENT/)]);
  });
});

it.skipIf(!has('python3') || !has('systemd-notify'))(
  'a running agent speaks to the socket of systemd',
  async () => {
    const box = new Sandbox();
    await box.register('bob');
    const socket = join(box.root, 'notify');
    const receiver = spawn('python3', ['-c', RECEIVER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void receiver.kill());
    let heard = '';
    receiver.stdout.setEncoding('utf8').on('data', (text) => {
      heard += text;
    });
    const hear = (text: string) => vi.waitUntil(() => heard.includes(text), { timeout: 20_000 });
    await once(receiver.stdout, 'data');
    const agent = await box.start(['bob'], { env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '200000' } });
    await hear('READY=1\nSTATUS=bob is ready');
    await hear('WATCHDOG=1');
    expect(await agent.stop()).toBe(0);
    await hear('STOPPING=1');
  },
);

/** As systemd does: it reads datagrams, and closes what comes with them, for which `systemd-notify` waits. */
const RECEIVER = `
import os, socket, sys
listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listening.bind(sys.argv[1])
print('listening', flush=True)
while True:
    data, files, _, _ = socket.recv_fds(listening, 65536, 8)
    for file in files: os.close(file)
    print(data.decode(), flush=True)
`;

function has(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
