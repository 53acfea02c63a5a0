import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { services } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { createKernel, definePlugin, type Plugin } from '@cleocode/kernel';
import { poller } from '@cleocode/plugin-poller';
import { openDock } from '@cleocode/signaldock';
import { openStore } from '@cleocode/store';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Composition, composePlugins } from './compose-plugins.ts';
import { connectTransport } from './transport.ts';

const local = { agentId: 'bob', apiBaseUrl: 'local:' };
const compose = (more: Partial<Composition> = {}) =>
  composePlugins({ stateDir: '/state', credential: local, ...more });
const names = (plugins: Plugin[]) => plugins.map(({ definition }) => definition.name);

/** A plugin of that name that provides these services. */
function plugin(name: string, provides: Plugin['definition']['provides'] = []): Plugin {
  return definePlugin({ name, version: '1.0.0', apiVersion: 1, provides, setup() {} })();
}

describe('composePlugins', () => {
  it('gives the default plugins, then the own ones in their order', () => {
    const plugins = compose({ plugins: [plugin('b'), plugin('a')] });
    expect(names(plugins)).toEqual([
      '@cleocode/store',
      '@cleocode/transport-local',
      '@cleocode/plugin-poller',
      'b',
      'a',
    ]);
    expect(plugins[0]!.options).toEqual({ dir: '/state', agent: 'bob' });
    expect(plugins[1]!.options).toEqual({ dir: '/state' });
  });

  it('leaves a default out where a plugin of that name is brought', () => {
    const own = poller({ intervalMs: 100 });
    const plugins = compose({ plugins: [plugin('a'), own] });
    expect(names(plugins)).toEqual([
      '@cleocode/store',
      '@cleocode/transport-local',
      'a',
      '@cleocode/plugin-poller',
    ]);
    expect(plugins.at(-1)).toBe(own);
  });

  it('leaves a default out where one of its services is brought', () => {
    const plugins = compose({
      plugins: [plugin('vault', [services.agent]), plugin('bus', [services.transport])],
    });
    expect(names(plugins)).toEqual(['@cleocode/plugin-poller', 'vault', 'bus']);
  });

  it.for([
    ['a plugin', plugin('bus', [services.transport])],
    ['an object', new MockTransport()],
  ] as const)('leaves the transport out where %s is given for it', ([, transport]) => {
    expect(names(compose({ transport }))).toEqual(['@cleocode/store', '@cleocode/plugin-poller']);
  });

  it('lays poller options over those of a poller that is brought', () => {
    const plugins = compose({ poller: { groups: ['g'] }, plugins: [poller({ intervalMs: 100 })] });
    expect(plugins.at(-1)!.options).toEqual({ intervalMs: 100, groups: ['g'] });
    expect(compose({ poller: { groups: ['g'] } })[2]!.options).toEqual({ groups: ['g'] });
  });

  it('refuses a backend that no transport serves, unless a transport is brought', () => {
    const credential = { agentId: 'bob', apiBaseUrl: 'https://api.example.com' };
    expect(() => compose({ credential })).toThrow(
      expect.objectContaining({ code: 'E_TRANSPORT_UNAVAILABLE', hint: expect.any(String) }),
    );
    expect(names(compose({ credential, transport: new MockTransport() }))).not.toContain(
      '@cleocode/transport-local',
    );
  });
});

it('composes an agent that handles what it is sent, and answers', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'cleo-runtime-'));
  onTestFinished(() => rmSync(stateDir, { recursive: true, force: true }));
  process.env.CLEO_DATA_DIR = join(stateDir, 'keys');
  onTestFinished(() => void delete process.env.CLEO_DATA_DIR);
  const dock = await openDock({ file: join(stateDir, 'signaldock.db') });
  onTestFinished(() => dock.close());
  const { apiKey } = await dock.registerAgent({ agentId: 'bob' });
  await dock.registerAgent({ agentId: 'ada' });
  const store = await openStore({ dir: stateDir });
  await store.registry.register({ agentId: 'bob', apiKey });
  await store.close();

  const answer = definePlugin({
    name: 'answer',
    version: '1.0.0',
    apiVersion: 1,
    setup(ctx) {
      ctx.on('message', (delivery) => delivery.reply('hello back'));
    },
  });
  const kernel = createKernel({
    plugins: composePlugins({ stateDir, credential: local, plugins: [answer()] }),
  });
  onTestFinished(async () => void (await kernel.stop()));
  await kernel.start();

  const ada = await connectTransport({ agentId: 'ada', apiBaseUrl: 'local:' }, stateDir);
  onTestFinished(() => ada.disconnect());
  const replied = new Promise((resolve) => ada.subscribe!(resolve));
  const { messageId } = await ada.push('bob', 'hello');
  expect(await replied).toMatchObject({ from: 'bob', content: 'hello back', replyTo: messageId });
  expect((await kernel.stop()).ok).toBe(true);
});
