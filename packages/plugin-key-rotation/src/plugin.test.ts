import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Agent,
  type AgentRegistryAPI,
  type AuthEvent,
  keyIssuerOf,
  services,
  type Transport,
} from '@cleocode/contracts';
import { createKernel, createLogger, type Delivery, definePlugin, type LogRecord } from '@cleocode/kernel';
import { poller } from '@cleocode/plugin-poller';
import { sse } from '@cleocode/plugin-sse';
import { openStore, store } from '@cleocode/store';
import { HttpTransport, httpTransport } from '@cleocode/transport-http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type TestWorld, testWorld } from './harness.test.kit.ts';
import {
  type KeyRotationMonitor,
  type KeyRotationOptions,
  keyRotation,
  keyRotationMonitor,
} from './plugin.ts';

interface Given {
  agent: Agent;
  registry: AgentRegistryAPI;
  transport: Transport;
  monitor: KeyRotationMonitor;
}

/** `bob`, resident: what the default composition gives him, and key rotation. */
async function resident(
  { dir, dataDir }: TestWorld,
  options: KeyRotationOptions = {},
  handle: (delivery: Delivery) => unknown = () => {},
) {
  let given!: Given;
  const logged: LogRecord[] = [];
  const events: AuthEvent[] = [];
  const probe = definePlugin({
    name: 'probe',
    version: '0.0.0',
    apiVersion: 1,
    requires: {
      agent: services.agent,
      registry: services.registry,
      transport: services.transport,
      monitor: keyRotationMonitor,
    },
    setup(ctx, _, deps) {
      given = deps;
      ctx.on('init', () => void deps.agent.onAuth?.((event) => events.push(event)));
      ctx.on('message', handle);
    },
  });
  const kernel = createKernel({
    plugins: [
      store({ dir, dataDir, agent: 'bob' }),
      httpTransport(),
      sse(),
      poller({ intervalMs: 200 }),
      keyRotation(options),
      probe(),
    ],
    logger: createLogger('warn', (record) => logged.push(record)),
  });
  onTestFinished(async () => void (await kernel.stop()));
  await kernel.start();
  return { kernel, logged, events, ...given };
}

const until = (condition: () => unknown, timeout = 30_000) =>
  vi.waitUntil(condition, { timeout, interval: 20 });

describe('a resident agent', () => {
  it('changes its key again and again while messages flow, and nothing fails, gets lost or comes twice', async () => {
    const world = await testWorld();
    await world.dock.registerAgent({ agentId: 'alice' });
    const handled: string[] = [];
    const { events, logged, agent, kernel } = await resident(
      world,
      { maxKeyAgeMs: 1_500 },
      async (delivery) => {
        handled.push(delivery.message.content);
        await delivery.reply(`re: ${delivery.message.content}`);
      },
    );
    let sent = 0;
    let most = 0;
    const rotations = () => events.filter(({ state }) => state === 'rotated').length;
    while (rotations() < 3) {
      await world.dock.send('alice', 'bob', { content: `${sent}` });
      sent += 1;
      most = Math.max(most, world.liveKeys());
      await sleep(30);
    }
    await until(() => handled.length >= sent);
    expect(handled).toEqual(Array.from({ length: sent }, (_, n) => `${n}`));
    await until(async () => (await world.dock.peek('alice', { limit: 200 })).length === Math.min(sent, 200));
    expect(most).toBe(2);
    expect(events.every(({ state }) => state === 'rotated')).toBe(true);
    expect(logged.filter(({ level }) => level === 'error')).toEqual([]);
    const current = agent.credential().apiKey.reveal();
    await world.dock.authenticate('bob', current);
    await expect(world.dock.authenticate('bob', world.firstKey)).rejects.toMatchObject({
      code: 'E_AUTH_INVALID_TOKEN',
    });
    expect((await kernel.stop()).ok).toBe(true);
    expect(JSON.stringify(logged)).not.toContain(current.slice(0, 12));
  }, 120_000);

  it('goes on with the key that another process rotated, within five seconds', async () => {
    const world = await testWorld();
    const { agent, events, registry } = await resident(world);
    const elsewhere = await openStore(world);
    onTestFinished(() => elsewhere.close());
    const { apiKey: stored } = (await elsewhere.registry.get('bob'))!;
    const transport = new HttpTransport();
    onTestFinished(() => transport.disconnect());
    await transport.connect({ agentId: 'bob', apiBaseUrl: world.url, apiKey: stored });
    const { newApiKey } = await elsewhere.registry.rotateKey('bob', { issuer: keyIssuerOf(transport)! });
    await until(() => events.length > 0, 5_000);
    expect(events).toEqual([{ state: 'rotated' }]);
    expect(agent.credential().apiKey.reveal() === newApiKey).toBe(true);
    expect(agent.auth?.()).toMatchObject({ state: 'ok', rotation: { state: 'active' } });
    expect(await registry.rotation?.('bob')).toMatchObject({ state: 'active' });
    // It may have seen the rotation half done, and helped: that is no second one.
    expect(world.liveKeys()).toBe(2);
  });

  it('sees that its key was revoked, says so, asks no more than it may, and recovers with a key that somebody stores', async () => {
    const world = await testWorld();
    await world.dock.registerAgent({ agentId: 'alice' });
    const handled: string[] = [];
    const { agent, events, logged, transport } = await resident(world, {}, ({ message }) =>
      handled.push(message.id),
    );
    const { apiKey } = await world.dock.rotateKey('bob', { overlapSeconds: 0 });
    await until(() => agent.auth!().state === 'failed');
    expect(agent.auth!().problem).toMatchObject({
      code: 'auth_failed',
      message: 'the backend refuses the key of "bob"',
      hint: expect.stringContaining('cleo agent register bob'),
    });
    const { id } = await world.dock.send('alice', 'bob', { content: 'are you there?' });
    await expect(transport.poll()).rejects.toMatchObject({ code: expect.stringMatching(/^E_AUTH_/) });
    expect(handled).toEqual([]);
    const elsewhere = await openStore(world);
    onTestFinished(() => elsewhere.close());
    await elsewhere.registry.update('bob', { apiKey });
    await until(() => handled.length > 0);
    expect(handled).toEqual([id]);
    expect(agent.auth!().state).toBe('ok');
    expect(events.map(({ state }) => state)).toEqual(['failed', 'rotated', 'ok']);
    expect(JSON.stringify(logged)).not.toContain(apiKey.slice(0, 12));
  });

  it('recovers by itself when the backend takes the same key again', async () => {
    const world = await testWorld();
    const { agent, events } = await resident(world);
    world.change("UPDATE keys SET expires_at = 1 WHERE agent = 'bob'");
    await until(() => agent.auth!().state === 'failed');
    world.change("UPDATE keys SET expires_at = NULL WHERE agent = 'bob'");
    await until(() => agent.auth!().state === 'ok');
    expect(events.map(({ state }) => state)).toEqual(['failed', 'ok']);
  }, 60_000);

  it('finds the key that another process stored with one look, however many requests were refused', async () => {
    const world = await testWorld();
    const { transport, events, agent } = await resident(world);
    const changes = vi.fn();
    agent.onChange(changes);
    const elsewhere = await openStore(world);
    onTestFinished(() => elsewhere.close());
    const { apiKey } = await world.dock.rotateKey('bob', { overlapSeconds: 0 });
    await elsewhere.registry.update('bob', { apiKey });
    const polls = await Promise.all(Array.from({ length: 100 }, () => transport.poll()));
    expect(polls).toHaveLength(100);
    expect(changes).toHaveBeenCalledTimes(1);
    expect(events).toEqual([{ state: 'rotated' }]);
  });
});

describe('on a server of the record, which ends the old key at once', () => {
  it('a rotation costs no message: what was refused meanwhile is sent again', async () => {
    const world = await testWorld();
    await world.dock.registerAgent({ agentId: 'alice' });
    const handled: string[] = [];
    // The same key dies at once, and the answer says nothing of an overlap.
    const { monitor, agent, events } = await resident(world, { overlapSeconds: 0 }, ({ message }) =>
      handled.push(message.content),
    );
    let sent = 0;
    for (let rotations = 0; rotations < 3; rotations += 1) {
      for (let each = 0; each < 5; each += 1) {
        await world.dock.send('alice', 'bob', { content: `${sent}` });
        sent += 1;
      }
      await monitor.rotateNow();
    }
    await until(() => handled.length === sent);
    expect(handled).toEqual(Array.from({ length: sent }, (_, n) => `${n}`));
    expect(agent.auth!().state).toBe('ok');
    expect(events.map(({ state }) => state)).toEqual(['rotated', 'rotated', 'rotated']);
    expect(world.liveKeys()).toBe(1);
  }, 60_000);
});

describe('the plugin', () => {
  it('stands down where nothing can ask for a new key, and says so once', async () => {
    const world = await testWorld();
    const { registry, close } = await openStore(world);
    onTestFinished(close);
    const logged: LogRecord[] = [];
    let monitor!: KeyRotationMonitor;
    const bare = definePlugin({
      name: 'bare',
      version: '0.0.0',
      apiVersion: 1,
      provides: [services.transport],
      setup(ctx) {
        ctx.provide(services.transport, {
          name: 'bare',
          connect: async () => {},
          disconnect: async () => {},
          push: async () => ({ messageId: 'm' }),
          poll: async () => [],
          ack: async () => {},
        });
      },
    });
    const probe = definePlugin({
      name: 'probe',
      version: '0.0.0',
      apiVersion: 1,
      requires: { monitor: keyRotationMonitor },
      setup(_, __, deps) {
        monitor = deps.monitor;
      },
    });
    await registry.update('bob', { keyIssuedAt: '2020-01-01T00:00:00Z' });
    const kernel = createKernel({
      plugins: [
        store({ dir: world.dir, dataDir: world.dataDir }),
        bare(),
        keyRotation({ checkIntervalMs: 50 }),
        probe(),
      ],
      logger: createLogger('warn', (record) => logged.push(record)),
    });
    onTestFinished(async () => void (await kernel.stop()));
    await kernel.start();
    await until(() => monitor.status().problem);
    expect(monitor.status().problem?.code).toBe('rotation_unsupported');
    expect(logged.filter(({ fields }) => fields.code === 'E_ROTATE_UNAVAILABLE')).toHaveLength(1);
  });

  it('refuses options it does not know, and values out of bounds', async () => {
    for (const options of [{ maxKeyAge: 1 }, { maxKeyAgeMs: -1 }, { overlapSeconds: 1e6 }])
      await expect(
        createKernel({
          plugins: [store(), httpTransport(), keyRotation(options as KeyRotationOptions)],
        }).prepare(),
      ).rejects.toMatchObject({ code: 'E_PLUGIN_OPTIONS', message: expect.stringContaining('key-rotation') });
  });
});
