import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { openStore } from '@cleocode/store';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Line, Sandbox } from '../cleo.test.kit.ts';
import { nodeVersion } from '../doctor/machine.ts';

const KEY = `sk_live_${'0123456789abcdef'.repeat(4)}`;

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
    const before = readdirSync(box.stateDir).sort();
    const { code, lines } = await box.json(['doctor'], { env });
    expect(readdirSync(box.stateDir).sort()).toEqual(before);
    expect(code).toBe(0);
    expect(lines.at(-1)).toEqual({ ok: true, errors: 0, warnings: 7 });
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

  it('asks the backend of each agent: whether it is there, takes the key, and has the same time', async () => {
    const box = new Sandbox();
    const { url, dock } = await box.server();
    await box.registerAt({ url, dock }, 'fine');
    await dock.registerAgent({ agentId: 'refused' });
    // Known to the environment alone, and never started here.
    box.write('key', (await dock.registerAgent({ agentId: 'new' })).apiKey);
    const env = { CLEO_AGENT: 'new', CLEO_API_URL: url, CLEO_API_KEY_FILE: 'key' };
    const ago = (ms: number) => new Date(Date.now() - ms).toUTCString();
    const at =
      (ms: number): RequestListener =>
      (_, response) => {
        response.writeHead(200, { date: ago(ms), 'content-type': 'application/json' });
        response.end(JSON.stringify({ success: true, data: { agent: {} } }));
      };
    const slow = await backend(at(60_000));
    const past = await backend(at(3_600_000));
    const silent = await backend(() => {});
    await box.store({ agentId: 'refused', apiKey: KEY, apiBaseUrl: url });
    await box.store({ agentId: 'unknown', apiKey: KEY, apiBaseUrl: 'http://127.0.0.1:9' });
    await box.store({ agentId: 'slow', apiKey: KEY, apiBaseUrl: slow });
    await box.store({ agentId: 'past', apiKey: KEY, apiBaseUrl: past });
    await box.store({ agentId: 'unheard', apiKey: KEY, apiBaseUrl: silent });
    const { code, lines } = await box.json(['doctor'], { env });
    expect(code).toBe(3);
    expect(lines.at(-1)).toEqual({ ok: false, errors: 4, warnings: 1 });
    const told = (agentId: string) =>
      ['backend', 'key', 'clock'].map((check) => found(lines, check, agentId)?.status);
    expect(told('fine')).toEqual(['ok', 'ok', 'ok']);
    expect(told('new')).toEqual(['ok', 'ok', 'ok']);
    expect(told('refused')).toEqual(['ok', 'error', 'ok']);
    expect(told('unknown')).toEqual(['error', undefined, undefined]);
    expect(told('unheard')).toEqual(['error', undefined, undefined]);
    expect(told('slow')).toEqual(['ok', 'ok', 'warning']);
    expect(told('past')).toEqual(['ok', 'ok', 'error']);
    expect(found(lines, 'backend', 'unheard')).toMatchObject({
      message: `${silent} cannot be used: no answer within 2.5 s`,
    });
    expect(found(lines, 'clock', 'past')).toMatchObject({
      message: expect.stringMatching(/^this clock is 1 h.* ahead of the backend's$/),
      hint: expect.any(String),
    });
    expect(found(lines, 'key', 'refused')).toMatchObject({
      hint: expect.stringContaining('--api-key-stdin'),
    });
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

async function backend(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function found(lines: readonly Line[], check: string, agentId?: string): Line | undefined {
  return lines.find((line) => line.check === check && line.agentId === agentId);
}
