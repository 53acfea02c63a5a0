import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '@cleocode/store';
import { describe, expect, it } from 'vitest';
import { type Line, Sandbox } from '../cleo.test.kit.ts';
import { nodeVersion } from '../doctor/machine.ts';

const KEY = `sk_live_${'0123456789abcdef'.repeat(4)}`;

const linux = process.platform === 'linux';

describe('cleo doctor', () => {
  it('finds nothing wrong where nothing is, says how to begin, and makes nothing', async () => {
    const box = new Sandbox();
    const { code, stdout } = await box.cleo(['doctor']);
    expect(stdout).toMatch(/^This machine\n {2}ok {7}node +Node \d+/);
    expect(stdout).toMatch(/ok +agents +none is registered here yet\n +→ Begin with: .*cleo init/);
    expect(stdout).toMatch(/\nAll is well\.\n$/);
    expect(code).toBe(0);
    expect(readdirSync(box.cwd)).toEqual([]);
  });

  it('goes through everything, each with its cure, and is well as long as nothing is an error', async () => {
    const box = new Sandbox();
    await box.register('bob', 'eve');
    await (await box.start(['eve'])).kill();
    const agent = await box.start(['bob']);
    await leaveBehind(box);
    const env = { CLEO_API_KEY: 'x', CLEO_AGENT: 'bob' };
    const units = join(box.root, 'home/config/systemd/user');
    mkdirSync(units, { recursive: true });
    writeFileSync(
      join(units, 'cleo-eve.service'),
      `ExecStart=${process.execPath} /gone/bin.js agent start eve\n`,
    );
    const before = readdirSync(box.stateDir).sort();
    const { code, lines } = await box.json(['doctor'], { env });
    expect(readdirSync(box.stateDir).sort()).toEqual(before);
    expect(code).toBe(0);
    expect(lines.at(-1)).toEqual({ ok: true, errors: 0, warnings: linux ? 8 : 7 });
    expect(
      lines.filter(({ status }) => status === 'warning').map(({ check, agentId }) => [check, agentId]),
    ).toEqual([
      ['permissions', undefined],
      ['leftovers', undefined],
      ['old-credentials', undefined],
      ['environment', undefined],
      ['dead-letters', 'bob'],
      ['key-age', 'eve'],
      ['process', 'eve'],
      ...(linux ? [['service', 'eve']] : []),
    ]);
    expect(found(lines, 'permissions')).toMatchObject({
      message: expect.stringContaining('signaldock-old.json'),
      hint: expect.stringContaining('chmod 600 '),
    });
    expect(found(lines, 'leftovers')).toMatchObject({ hint: `rm ${join(box.stateDir, 'x.4194999.tmp')}` });
    expect(found(lines, 'old-credentials')).toMatchObject({
      hint: expect.stringMatching(/agent register --import .*signaldock-old\.json$/),
    });
    expect(found(lines, 'dead-letters', 'bob')).toMatchObject({ message: '1 message failed for good' });
    expect(found(lines, 'process', 'bob')).toMatchObject({
      status: 'ok',
      message: expect.stringContaining(`process ${agent.pid}`),
    });
    expect(found(lines, 'process', 'eve')).toMatchObject({
      hint: expect.stringContaining('agent start eve'),
    });
    expect(found(lines, 'state.db')).toMatchObject({ status: 'ok' });
  });

  it('goes on where something is broken', async () => {
    const box = new Sandbox();
    await box.register('bob');
    writeFileSync(
      join(box.stateDir, 'state.db'),
      'no database, and long enough to be taken for one'.repeat(100),
    );
    chmodSync(join(box.root, 'keys/machine-key'), 0o644);
    box.write('cleo.config.json', '{ "plugins": 1 }');
    const { code, lines } = await box.json(['doctor', 'bob'], { env: { CLEO_POLL_INTERVAL: 'x' } });
    expect(code).toBe(3);
    expect(lines.filter(({ status }) => status === 'error').map(({ check }) => check)).toEqual([
      'machine-key',
      'state.db',
      'environment',
      'config',
    ]);
    expect(found(lines, 'state.db')).toMatchObject({
      message: expect.stringContaining('is damaged: file is not a database'),
      hint: expect.stringContaining('credentials.backup'),
    });
    expect(found(lines, 'signaldock.db')).toMatchObject({ status: 'ok' });
  });

  it('takes nobody for new while it cannot read who is registered', async () => {
    const box = new Sandbox();
    await box.register('bob');
    rmSync(join(box.root, 'keys'), { recursive: true });
    box.write('cleo.config.json', '{ "agent": "bob" }');
    const { code, lines } = await box.json(['doctor']);
    expect(code).toBe(3);
    expect(found(lines, 'agents')).toMatchObject({ status: 'error' });
    expect(found(lines, 'agent')).toBeUndefined();
    expect(found(lines, 'plugins')).toMatchObject({ status: 'ok' });
  });

  it('blames the plugin that does not fit', async () => {
    const box = new Sandbox();
    await box.register('bob');
    box.install('plugin-poller');
    box.write('cleo.config.json', '{ "plugins": [["@cleocode/plugin-poller", { "intervalMs": "soon" }]] }');
    const { code, lines } = await box.json(['doctor', 'bob']);
    expect([code, found(lines, 'plugins', 'bob')]).toMatchObject([
      3,
      { status: 'error', message: expect.stringContaining('(@cleocode/plugin-poller).intervalMs') },
    ]);
    expect(found(lines, 'backend', 'bob')).toMatchObject({ status: 'ok' });
  });

  it('answers 4 for an agent that is not registered', async () => {
    const box = new Sandbox();
    const { code, lines } = await box.json(['doctor', 'bob']);
    expect([code, lines]).toMatchObject([4, [{ ok: false, error: { code: 'E_NOT_FOUND_AGENT' } }]]);
    expect(existsSync(box.stateDir)).toBe(false);
  });
});

it.for([
  ['20.20.2', 'error'],
  ['22.18.0', 'error'],
  ['22.19.0', 'ok'],
  ['24.0.0', 'ok'],
] as const)('Node %s is %s', ([version, status]) => {
  expect(nodeVersion(version).status).toBe(status);
});

/** What a folder in use gathers. */
async function leaveBehind(box: Sandbox): Promise<void> {
  const store = await openStore({ dir: box.stateDir, dataDir: box.env.CLEO_DATA_DIR });
  const message = { id: 'm1', from: 'ada', to: 'bob', content: 'x', timestamp: new Date().toISOString() };
  const journal = store.journalFor('bob');
  await journal.begin('m1');
  await journal.dead('m1', message, 'it cannot be done');
  // Of an agent that runs it would be replaced at once.
  await store.registry.update('eve', { keyIssuedAt: '2020-01-01T00:00:00.000Z' });
  await store.close();
  writeFileSync(join(box.stateDir, 'x.4194999.tmp'), '', { mode: 0o600 });
  const old = join(box.stateDir, 'signaldock-old.json');
  writeFileSync(old, JSON.stringify({ agentId: 'old', apiKey: KEY }), { mode: 0o644 });
  mkdirSync(join(box.stateDir, 'logs'), { mode: 0o700 });
}

function found(lines: readonly Line[], check: string, agentId?: string): Line | undefined {
  return lines.find((line) => line.check === check && line.agentId === agentId);
}
