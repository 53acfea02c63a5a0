import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Agent } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { openDock } from '@cleocode/signaldock';
import { openStore, type Store } from '@cleocode/store';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { MapRegistry, recorder, SevenTransport, started, until } from './create-runtime.test.kit.ts';
import { createRuntime, type RuntimeConfig } from './index.ts';

const IN_MEMORY =
  'info no plugin provides a journal: attempts and finished messages are remembered in memory only';

describe('a registry of another make', () => {
  it('gives the most recently active agent, which is marked as used', async () => {
    const { handle, registry } = await started({}, new MapRegistry('ada', 'bob'));
    expect(handle.agentId).toBe('bob');
    expect(registry.calls).toContain('markUsed bob');
  });

  it('gives the agent that was asked for', async () => {
    const { handle } = await started({ agentId: 'ada' }, new MapRegistry('ada', 'bob'));
    expect(handle.agentId).toBe('ada');
  });

  it('runs on a journal in memory, which is said once', async () => {
    const { handle, transport, log } = await started();
    handle.poller.onMessage(() => {});
    transport.deliver();
    await until(() => expect(transport.acked).toHaveLength(1));
    expect(log.filter((line) => line === IN_MEMORY)).toHaveLength(1);
  });

  it('may be unable to mark the agent as used', async () => {
    const registry = new MapRegistry('bob');
    registry.markUsed = () => Promise.reject(new Error('read only'));
    const { handle, log } = await started({}, registry);
    expect(handle.status().state).toBe('running');
    expect(log).toContain('warn the registry cannot mark the agent as used: read only');
  });

  it.for([
    [{ apiKey: '' }, /apiKey: /],
    [{ apiBaseUrl: undefined }, /apiBaseUrl: /],
    [{ agentId: 'b/ob' }, /agentId: /],
  ] as const)('is told when its credential has %j', async ([patch, message]) => {
    const registry = new MapRegistry('bob');
    Object.assign(registry.credentials.get('bob')!, patch);
    const error = await createRuntime(registry, { transport: new MockTransport() }).catch((e) => e);
    expect(error).toMatchObject({ code: 'E_CREDENTIAL_INVALID', message: expect.stringMatching(message) });
    expect(error.message).not.toContain('key-of-bob');
  });

  it('may be typed as the earlier one was, and answer without promises', async () => {
    interface Config {
      sseEndpoint?: string;
    }
    const credential = {
      agentId: 'bob',
      displayName: 'Bob',
      apiKey: 'key-of-bob',
      apiBaseUrl: 'https://api.example.com',
      transportType: 'websocket' as 'http' | 'sse' | 'websocket',
      transportConfig: {} as Config,
    };
    class Earlier {
      getActive = async () => credential;
      get = async (_agentId: string): Promise<typeof credential> => credential;
      markUsed = vi.fn<() => Promise<void>>(() => undefined as never);
      async rotateKey(agentId: string) {
        return { agentId, newApiKey: 'n' };
      }
    }
    const transport = new MockTransport();
    transport.connect = () => {
      transport.connected = true;
      return undefined as never;
    };
    const handle = await createRuntime(new Earlier(), { transport, logger: recorder().logger });
    expect(await handle.stop()).toMatchObject({ ok: true });
  });

  it('is not waited for without end', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const registry = new MapRegistry('bob');
    registry.getActive = () => new Promise(() => {});
    const refused = expect(createRuntime(registry)).rejects.toMatchObject({
      code: 'E_REGISTRY_TIMEOUT',
      message: 'the registry did not answer getActive within 10000 ms',
    });
    await vi.advanceTimersByTimeAsync(10_000);
    await refused;
  });

  it('rotates its own way, once for all, and the new key is in use at once', async () => {
    const { handle, registry, transport } = await started({ transport: new SevenTransport() });
    const { connects } = transport as SevenTransport;
    await handle.keyRotation!.rotateNow();
    // It takes its key when it connects: it was connected again.
    await until(() => expect(connects.map(({ apiKey }) => apiKey)).toEqual(['key-of-bob', 'key-of-bob+']));
    expect(registry.calls.filter((call) => call === 'rotateKey bob')).toHaveLength(1);
    expect(connects[1]!.agent).toBe(connects[0]!.agent);
  });

  it('may be changed by others: a new key is in use soon', async () => {
    const { registry, transport } = await started({ transport: new SevenTransport() });
    await registry.rotateKey('bob');
    await until(() => expect((transport as SevenTransport).connects.at(-1)!.apiKey).toBe('key-of-bob+'));
  });

  it('is asked again when the key is refused, once for all who come', async () => {
    const transport = new SevenTransport();
    const { registry } = await started({ transport, pollIntervalMs: 60_000 });
    const agent = transport.connects[0]!.agent as Agent;
    const refused = agent.credential().apiKey;
    await registry.rotateKey('bob');
    registry.calls.length = 0;
    const looks = await Promise.all([1, 2, 3].map(() => agent.refresh!(refused, new Error('401'))));
    expect(looks).toEqual([true, true, true]);
    expect(agent.credential().apiKey.reveal()).toBe('key-of-bob+');
    expect(registry.calls).toEqual(['get bob']);
  });

  it('has a durable journal where a state folder is given: what is done is not done again', async () => {
    const stateDir = temporary();
    const registry = new MapRegistry('bob');
    const first = await run({ stateDir });
    first.transport.failNext('ack', new Error('lost'));
    const { id } = first.transport.deliver({ id: 'm1' });
    await until(() => expect(first.seen).toEqual([id]));
    await first.handle.stop();
    expect(existsSync(join(stateDir, 'state.db'))).toBe(true);

    const second = await run({ stateDir });
    second.transport.deliver({ id: 'm1' });
    await until(() => expect([...new Set(second.transport.acked)]).toEqual(['m1']));
    expect(second.seen).toEqual([]);
    expect(second.log).not.toContain(IN_MEMORY);
    await expect(createRuntime(registry, { stateDir, transport: new MockTransport() })).rejects.toMatchObject(
      {
        plugin: '@cleocode/store',
        hint: 'Stop that one first.',
        cause: { code: 'E_ALREADY_RUNNING' },
      },
    );

    async function run(config: RuntimeConfig) {
      const agent = await started(config, registry);
      const seen: string[] = [];
      agent.handle.poller.onMessage((message) => void seen.push(message.id));
      return { ...agent, seen };
    }
  });
});

describe('the registry of a store', () => {
  it('brings its journal with it, and may be closed meanwhile', async () => {
    const { store, stateDir } = await storeWithBob();
    const { logger, log } = recorder();
    const transport = new MockTransport();
    const handle = await createRuntime(store.registry, { transport, logger, pollIntervalMs: 20 });
    onTestFinished(async () => void (await handle.stop()));
    await store.close();
    handle.poller.onMessage(() => {});
    transport.deliver({ id: 'm1' });
    await until(() => expect([...new Set(transport.acked)]).toEqual(['m1']));
    expect(log).not.toContain(IN_MEMORY);
    await handle.stop();
    const again = await openStore({ dir: stateDir, dataDir: stateDir });
    onTestFinished(() => again.close());
    expect(await again.journalFor('bob').begin('m1')).toEqual({ state: 'done' });
    expect((await again.registry.get('bob'))!.lastUsedAt).toEqual(expect.any(String));
  });

  it('shows a key that its owner stores', async () => {
    const { store } = await storeWithBob();
    const transport = new SevenTransport();
    const handle = await createRuntime(store.registry, { transport, logger: recorder().logger });
    onTestFinished(async () => void (await handle.stop()));
    await store.registry.update('bob', { apiKey: 'sk_test_other' });
    await until(() => expect(transport.connects.at(-1)!.apiKey).toBe('sk_test_other'));
  });

  it('says who is missing, and where', async () => {
    const { store } = await storeWithBob();
    await expect(createRuntime(store.registry, { agentId: 'eve' })).rejects.toMatchObject({
      code: 'E_NO_AGENT',
      message: 'No agent credential found. Run: cleo agent register --id <id> --api-key <key>',
      hint: `"eve" is not registered in ${store.file}.`,
    });
  });

  it('keeps its journal in one place', async () => {
    const { store, stateDir } = await storeWithBob();
    const message = `createRuntime: stateDir: the registry of a store keeps its journal beside it, in ${stateDir}`;
    await expect(createRuntime(store.registry, { stateDir: '/elsewhere' })).rejects.toMatchObject({
      code: 'E_RUNTIME_OPTIONS',
      message,
    });
  });

  it('says once that its key cannot be rotated by this transport', async () => {
    const { store } = await storeWithBob();
    const { logger, log } = recorder();
    const transport = new MockTransport();
    const handle = await createRuntime(store.registry, { transport, logger, maxKeyAgeMs: 1 });
    onTestFinished(async () => void (await handle.stop()));
    const line = 'warn key rotation: the key of "bob" cannot be rotated from here';
    await until(() => expect(log).toContain(line));
    expect(handle.keyRotation!.status().problem).toMatchObject({ code: 'rotation_unsupported' });
    await expect(handle.keyRotation!.rotateNow()).rejects.toMatchObject({ code: 'E_ROTATE_UNAVAILABLE' });
    expect(log.filter((one) => one === line)).toHaveLength(1);
  });

  it('rotates by the backend, while messages flow', async () => {
    const { store, stateDir } = await storeWithBob();
    const handle = await createRuntime(store.registry, { logger: recorder().logger });
    onTestFinished(async () => void (await handle.stop()));
    expect(handle.transport.name).toBe('local');
    const before = (await store.registry.get('bob'))!.apiKey;
    await handle.keyRotation!.rotateNow();
    const after = (await store.registry.get('bob'))!.apiKey;
    expect(after).not.toBe(before);
    const dock = await openDock({ file: join(stateDir, 'signaldock.db') });
    onTestFinished(() => dock.close());
    await dock.send('ada', 'bob', { content: 'with a new key' });
    const seen: string[] = [];
    handle.poller.onMessage((message) => void seen.push(message.content));
    await until(() => expect(seen).toEqual(['with a new key']));
  });
});

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'cleo-runtime-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A state folder with an embedded backend that knows ada and bob, and a store that knows bob. */
async function storeWithBob(): Promise<{ store: Store; stateDir: string }> {
  const stateDir = temporary();
  const dock = await openDock({ file: join(stateDir, 'signaldock.db') });
  await dock.registerAgent({ agentId: 'ada' });
  const { apiKey } = await dock.registerAgent({ agentId: 'bob' });
  await dock.close();
  const store = await openStore({ dir: stateDir, dataDir: stateDir });
  onTestFinished(() => store.close());
  await store.registry.register({ agentId: 'bob', apiKey });
  return { store, stateDir };
}
