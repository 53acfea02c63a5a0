import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { services } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { createKernel, definePlugin, type Plugin } from '@cleocode/kernel';
import { heartbeat } from '@cleocode/plugin-heartbeat';
import { keyRotation } from '@cleocode/plugin-key-rotation';
import { poller } from '@cleocode/plugin-poller';
import { sse } from '@cleocode/plugin-sse';
import { type Dock, openDock } from '@cleocode/signaldock';
import { serve } from '@cleocode/signaldock/server';
import { openStore } from '@cleocode/store';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
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
  it('gives the default plugins, then the own ones in their order', async () => {
    const plugins = await compose({ plugins: [plugin('b'), plugin('a')] });
    expect(names(plugins)).toEqual([
      '@cleocode/store',
      '@cleocode/transport-local',
      '@cleocode/plugin-poller',
      '@cleocode/plugin-key-rotation',
      '@cleocode/plugin-heartbeat',
      'b',
      'a',
    ]);
    expect(plugins[0]!.options).toEqual({ dir: '/state', agent: 'bob' });
    expect(plugins[1]!.options).toEqual({ dir: '/state' });
  });

  it('leaves a default out where a plugin of that name is brought', async () => {
    const own = poller({ intervalMs: 100 });
    const plugins = await compose({ plugins: [plugin('a'), own] });
    expect(names(plugins)).toEqual([
      '@cleocode/store',
      '@cleocode/transport-local',
      '@cleocode/plugin-key-rotation',
      '@cleocode/plugin-heartbeat',
      'a',
      '@cleocode/plugin-poller',
    ]);
    expect(plugins.at(-1)).toBe(own);
  });

  it('leaves a default out where one of its services is brought', async () => {
    const plugins = await compose({
      plugins: [plugin('vault', [services.agent]), plugin('bus', [services.transport])],
    });
    expect(names(plugins)).toEqual(['@cleocode/plugin-poller', '@cleocode/plugin-heartbeat', 'vault', 'bus']);
  });

  it('rotates no key where somebody else keeps it, unless that somebody has a registry', async () => {
    const rotates = async (...provided: Plugin['definition']['provides'][]) =>
      names(await compose({ plugins: [plugin('vault', provided.flat() as never)] })).includes(
        '@cleocode/plugin-key-rotation',
      );
    expect(await rotates([services.agent, services.journal])).toBe(false);
    expect(await rotates([services.agent, services.journal, services.registry])).toBe(true);
  });

  it.for([
    ['a plugin', plugin('bus', [services.transport])],
    ['an object', new MockTransport()],
  ] as const)('leaves the transport out where %s is given for it', async ([, transport]) => {
    expect(names(await compose({ transport }))).toEqual([
      '@cleocode/store',
      '@cleocode/plugin-poller',
      '@cleocode/plugin-key-rotation',
      '@cleocode/plugin-heartbeat',
    ]);
  });

  it.for([
    ['a plugin', plugin('bus', [services.transport])],
    ['an object', new MockTransport()],
  ] as const)('adds no stream where %s is the transport of an HTTP backend', async ([, transport]) => {
    expect(
      names(
        await compose({ credential: { agentId: 'bob', apiBaseUrl: 'http://127.0.0.1:4000' }, transport }),
      ),
    ).toEqual([
      '@cleocode/store',
      '@cleocode/plugin-poller',
      '@cleocode/plugin-key-rotation',
      '@cleocode/plugin-heartbeat',
    ]);
  });

  it('leaves its stream out where another realtime source is brought, and gives its own the options', async () => {
    const credential = { agentId: 'bob', apiBaseUrl: 'http://127.0.0.1:4000' };
    expect(names(await compose({ credential, plugins: [plugin('tide', [services.realtime])] }))).toEqual([
      '@cleocode/store',
      '@cleocode/transport-http',
      '@cleocode/plugin-poller',
      '@cleocode/plugin-key-rotation',
      '@cleocode/plugin-heartbeat',
      'tide',
    ]);
    expect((await compose({ credential, sse: { watchdogMs: 9 } })).at(-1)!.options).toEqual({
      watchdogMs: 9,
    });
    const own = await compose({ credential, sse: { watchdogMs: 9 }, plugins: [sse({ endpoint: '/s' })] });
    expect(own.at(-1)!.options).toEqual({ endpoint: '/s', watchdogMs: 9 });
  });

  it('lays options over those of a poller or heartbeat that is brought', async () => {
    const plugins = await compose({ poller: { groups: ['g'] }, plugins: [poller({ intervalMs: 100 })] });
    expect(plugins.at(-1)!.options).toEqual({ intervalMs: 100, groups: ['g'] });
    const young = await compose({
      keyRotation: { maxKeyAgeMs: 9 },
      plugins: [keyRotation({ checkIntervalMs: 8 })],
    });
    expect(young.at(-1)!.options).toEqual({ checkIntervalMs: 8, maxKeyAgeMs: 9 });
    const quiet = await compose({
      heartbeat: { intervalMs: 0 },
      plugins: [heartbeat({ intervalMs: 1_000 })],
    });
    expect(quiet.at(-1)!.options).toEqual({ intervalMs: 0 });
    expect((await compose({ poller: { groups: ['g'] } }))[2]!.options).toEqual({ groups: ['g'] });
  });

  it.for([
    ['https://api.example.com/v1', undefined, {}],
    ['http://127.0.0.1:4000', {}, {}],
    ['http://10.0.0.7:4000', { allowInsecure: true }, { allowInsecure: true }],
  ] as const)(
    'takes HTTP and a stream for %s, with what its credential allows',
    async ([apiBaseUrl, transportConfig, options]) => {
      const credential = { agentId: 'bob', apiBaseUrl, ...(transportConfig && { transportConfig }) };
      const plugins = await compose({ credential });
      expect(names(plugins)).toEqual([
        '@cleocode/store',
        '@cleocode/transport-http',
        '@cleocode/plugin-poller',
        '@cleocode/plugin-key-rotation',
        '@cleocode/plugin-heartbeat',
        '@cleocode/plugin-sse',
      ]);
      expect(plugins[1]!.options).toEqual(options);
      expect(plugins.at(-1)!.options).toEqual(options);
    },
  );

  it.for(['ws://api.example.com', 'ftp://api.example.com'])(
    'refuses %s, which no transport serves, unless a transport is brought',
    async (apiBaseUrl) => {
      const credential = { agentId: 'bob', apiBaseUrl };
      await expect(compose({ credential })).rejects.toThrow(
        expect.objectContaining({
          code: 'E_TRANSPORT_UNAVAILABLE',
          message: expect.stringContaining(apiBaseUrl),
          hint: expect.stringContaining('"transport"'),
        }),
      );
      expect(names(await compose({ credential, transport: new MockTransport() }))).toEqual([
        '@cleocode/store',
        '@cleocode/plugin-poller',
        '@cleocode/plugin-key-rotation',
        '@cleocode/plugin-heartbeat',
      ]);
    },
  );
});

describe.for(['local:', 'http'])('an agent composed for %s', (backend) => {
  it('handles what it is sent, and answers', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'cleo-runtime-'));
    onTestFinished(() => rmSync(stateDir, { recursive: true, force: true }));
    vi.stubEnv('CLEO_DATA_DIR', join(stateDir, 'keys'));
    onTestFinished(() => void vi.unstubAllEnvs());
    const dock = await openDock({ file: join(stateDir, 'signaldock.db') });
    onTestFinished(() => dock.close());
    const apiBaseUrl = backend === 'http' ? await served(dock) : backend;
    const { apiKey } = await dock.registerAgent({ agentId: 'bob' });
    const { apiKey: keyOfAda } = await dock.registerAgent({ agentId: 'ada' });
    const store = await openStore({ dir: stateDir });
    const credential = await store.registry.register({ agentId: 'bob', apiKey, apiBaseUrl });
    await store.close();

    const answer = definePlugin({
      name: 'answer',
      version: '1.0.0',
      apiVersion: 1,
      setup(ctx) {
        ctx.on('message', (delivery) => delivery.reply('hello back'));
      },
    });
    const poller = { intervalMs: 50 };
    const kernel = createKernel({
      plugins: await composePlugins({ stateDir, credential, poller, plugins: [answer()] }),
    });
    onTestFinished(async () => void (await kernel.stop()));
    await kernel.start();

    const ada = await connectTransport({ agentId: 'ada', apiBaseUrl, apiKey: keyOfAda }, stateDir);
    onTestFinished(() => ada.disconnect());
    expect(ada.name).toBe(backend === 'http' ? 'http' : 'local');
    const { messageId } = await ada.push('bob', 'hello');
    await vi.waitFor(
      async () =>
        expect(await ada.poll()).toMatchObject([{ from: 'bob', content: 'hello back', replyTo: messageId }]),
      10_000,
    );
    expect((await kernel.stop()).ok).toBe(true);
    expect(await dock.peek('bob')).toEqual([]);
  });
});

it('connects over plain http to another machine only where the credential allows it', async () => {
  const far = { agentId: 'bob', apiBaseUrl: 'http://10.0.0.7:4000', apiKey: 'sk_test_bob' };
  await expect(connectTransport(far, '/state')).rejects.toMatchObject({ code: 'E_TRANSPORT_INSECURE' });
  const allowed = await connectTransport({ ...far, transportConfig: { allowInsecure: true } }, '/state');
  await allowed.disconnect();
});

/** Its address, while the test runs. */
async function served(dock: Dock): Promise<string> {
  const server = await serve({ dock, port: 0, rateLimit: { max: 0 } });
  onTestFinished(() => server.close());
  return server.url;
}
