import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Dock, openDock } from '@cleocode/signaldock';
import { serve } from '@cleocode/signaldock/server';
import { HttpTransport } from '@cleocode/transport-http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MapRegistry, recorder, SevenTransport, started, until } from './create-runtime.test.kit.ts';
import { createRuntime, type RuntimeConfig } from './index.ts';

describe('the transport is chosen by the backend of the credential', () => {
  it('in this process for local:, without a stream', async () => {
    const { stateDir, registry } = await backend('local:');
    const { handle } = await runtime(registry, { stateDir });
    expect([handle.transport.name, handle.sseConnection]).toEqual(['local', null]);
  });

  it('HTTP for a server, whatever lies in the state folder, and a stream beside it', async () => {
    const { stateDir, registry, dock } = await backend('http');
    const { handle } = await runtime(registry, { stateDir });
    expect(handle.transport.name).toBe('http');
    await until(() => expect(handle.sseConnection!.status()).toMatchObject({ state: 'live', running: true }));
    await until(() => expect(handle.status().presence.state).toBe('online'));

    const sources: string[] = [];
    handle.sseConnection!.onMessage((_message, { source }) => void sources.push(source));
    await dock.send('ada', 'bob', { content: 'by stream' });
    await until(() => expect(sources).toEqual(['sse']));

    await handle.sseConnection!.stop();
    expect(handle.sseConnection!.status()).toMatchObject({ state: 'fallback', running: false });
    await dock.send('ada', 'bob', { content: 'by poll' });
    await until(() => expect(sources).toEqual(['sse', 'poll']));

    handle.sseConnection!.start();
    await until(() => expect(handle.sseConnection!.status().state).toBe('live'));
    await handle.poller.stop();
    await dock.send('ada', 'bob', { content: 'by stream again' });
    await until(() => expect(sources).toEqual(['sse', 'poll', 'sse']));
    // It hears, so nobody is told that it does not.
    expect(handle.status()).toMatchObject({ healthy: true, problems: [] });
    await until(async () => expect(await dock.peek('bob')).toEqual([]));
  });

  it.for(['config', 'credential'] as const)('and the stream is where the %s says', async (where) => {
    const { stateDir, registry } = await backend('http');
    const bob = registry.credentials.get('bob')!;
    if (where === 'credential') bob.transportConfig = { sseEndpoint: '/elsewhere' };
    const { handle } = await runtime(registry, {
      stateDir,
      ...(where === 'config' && { sseEndpoint: '/elsewhere' }),
    });
    await until(() => expect(handle.sseConnection!.status().problem?.message).toMatch(/404/));
    expect(handle.sseConnection!.status().state).toBe('fallback');
  });

  it('none for another address', async () => {
    const registry = new MapRegistry('bob');
    registry.credentials.get('bob')!.apiBaseUrl = 'ws://api.example.com';
    await expect(createRuntime(registry)).rejects.toMatchObject({ code: 'E_TRANSPORT_UNAVAILABLE' });
  });

  it('and a stream endpoint of a backend that has none is said to be of no use', async () => {
    const { stateDir, registry } = await backend('local:');
    const { handle, log } = await runtime(registry, { stateDir, sseEndpoint: '/stream' });
    expect(handle.sseConnection).toBe(null);
    expect(log).toContain('warn sseEndpoint is not used: local: has no stream');
  });
});

describe('a transport of the caller', () => {
  it('takes the place of the chosen one, and no stream comes with it', async () => {
    const transport = new SevenTransport();
    const { handle } = await started({ transport, pollIntervalMs: 30, sseEndpoint: undefined });
    expect([handle.transport, handle.sseConnection]).toEqual([transport, null]);
    expect(transport.connects).toEqual([
      {
        agentId: 'bob',
        apiKey: 'key-of-bob',
        apiBaseUrl: 'https://api.example.com',
        agent: expect.objectContaining({ id: 'bob' }),
        pollIntervalMs: 30,
      },
    ]);
  });

  it('needs no more than the seven members of the earlier runtime; what it cannot do stands down, said once', async () => {
    const { handle, transport, log } = await started({ transport: new SevenTransport() });
    const pushing = transport as SevenTransport;
    const sources: string[] = [];
    handle.poller.onMessage((_message, { source }) => void sources.push(source));
    await until(() => expect(handle.poller.status().pushLive).toBe(true));
    const ids = [pushing.arrive(), pushing.arrive()].map(({ id }) => id);
    // A poll that saw one before its ack has it acked again.
    await until(() => expect([...new Set(transport.acked)].toSorted()).toEqual(ids.toSorted()));
    expect(sources).toEqual(['push', 'push']);
    expect(handle.heartbeat!.status()).toMatchObject({ running: false, state: 'unsupported' });
    expect(log.filter((line) => line.startsWith('warn'))).toEqual([
      'warn presence: mock: the transport tells nobody who is online',
    ]);
    // What it pushes proves nothing about the next message: it is polled as before.
    const { polls } = transport;
    await until(() => expect(transport.polls).toBeGreaterThan(polls + 3));
  });

  it('may be connected already, and is disconnected at the end all the same', async () => {
    class Once extends SevenTransport {
      override async connect(config: Parameters<SevenTransport['connect']>[0]): Promise<void> {
        if (this.connected) throw new Error('Transport already connected');
        await super.connect(config);
      }
    }
    const transport = new Once();
    await transport.connect({ agentId: 'bob', apiKey: 'k', apiBaseUrl: 'x' });
    const { handle } = await started({ transport });
    await handle.keyRotation!.rotateNow();
    await until(() => expect(transport.connects.map(({ apiKey }) => apiKey)).toEqual(['k', 'key-of-bob+']));
    expect(await handle.stop()).toMatchObject({ ok: true });
    expect(transport.connected).toBe(false);
  });

  it('is connected again until it takes the new key, when that fails at first', async () => {
    const { handle, transport, log } = await started({ transport: new SevenTransport() });
    transport.failNext('connect', new Error('not now'));
    await handle.keyRotation!.rotateNow();
    await until(() => expect((transport as SevenTransport).connects.at(-1)!.apiKey).toBe('key-of-bob+'));
    expect(log).toContain('warn task "new-key" failed and starts again');
  });

  it('of a server has a stream where its endpoint is named', async () => {
    const { stateDir, registry, dock } = await backend('http');
    const transport = new HttpTransport();
    const { handle } = await runtime(registry, { stateDir, transport, sseEndpoint: '/messages/stream' });
    await until(() => expect(handle.sseConnection!.status().state).toBe('live'));
    const seen: string[] = [];
    handle.poller.onMessage((message) => void seen.push(message.content));
    await dock.send('ada', 'bob', { content: 'hi' });
    await until(() => expect(seen).toEqual(['hi']));
  });
});

describe('createSseTransport', () => {
  it('brings messages by its subscribe; the main transport acks, and polls as before', async () => {
    const stream = new SevenTransport();
    const { handle, transport, log } = await started({
      createSseTransport: () => stream,
      sseEndpoint: '/sse',
      pollIntervalMs: 60_000,
    });
    await until(() => expect(stream.subscribers).toBe(1));
    expect(stream.connects).toMatchObject([{ agentId: 'bob', apiKey: 'key-of-bob', sseEndpoint: '/sse' }]);
    const seen: unknown[] = [];
    handle.sseConnection!.onMessage((message, { source }) => void seen.push([message.content, source]));
    await until(() =>
      expect(handle.sseConnection!.status()).toMatchObject({ running: true, state: 'stale' }),
    );
    // As soon as it is known that nothing older waits.
    const message = transport.deliver({ content: 'at once' });
    await until(() => {
      stream.emit(message);
      expect(transport.acked).toContain(message.id);
    });
    expect(seen).toEqual([['at once', expect.stringMatching(/^p(ush|oll)$/)]]);
    expect(stream.acked).toEqual([]);
    expect(handle.sseConnection!.status().received).toBeGreaterThan(0);
    expect(log.filter((line) => line.startsWith('error'))).toEqual([]);

    await handle.sseConnection!.stop();
    expect(handle.sseConnection!.status()).toMatchObject({ running: false, state: 'fallback' });
    expect([stream.subscribers, stream.connected]).toEqual([0, false]);
  });

  it('is called again for a new key and after a stop, and what failed is said once', async () => {
    const made: SevenTransport[] = [];
    const { handle, log } = await started({
      async createSseTransport() {
        const stream = new SevenTransport();
        if (made.length === 2) stream.failNext('connect', new Error('refused'));
        made.push(stream);
        return stream;
      },
    });
    const keys = () => made.flatMap(({ connects }) => connects.map(({ apiKey }) => apiKey));
    await until(() => expect(keys()).toEqual(['key-of-bob']));
    await handle.keyRotation!.rotateNow();
    await until(() => expect(keys()).toEqual(['key-of-bob', 'key-of-bob+']));
    expect(made[0]!.connected).toBe(false);
    await handle.sseConnection!.stop();
    handle.sseConnection!.start();
    await until(() => expect(handle.sseConnection!.status().problem).toMatchObject({ code: 'stream_down' }));
    await until(() => expect(keys()).toHaveLength(3));
    expect(handle.sseConnection!.status().problem).toBeUndefined();
    expect(log.filter((line) => line === 'warn stream: refused')).toHaveLength(1);
  });

  it('must make a transport with subscribe', async () => {
    const createSseTransport = () => ({ ...new SevenTransport(), name: 'x' }) as never;
    await expect(
      createRuntime(new MapRegistry('bob'), {
        transport: new SevenTransport(),
        createSseTransport,
        logger: recorder().logger,
      }),
    ).rejects.toMatchObject({
      cause: { code: 'E_RUNTIME_OPTIONS', message: expect.stringContaining('without subscribe') },
    });
  });
});

async function runtime(registry: MapRegistry, config: RuntimeConfig) {
  const { logger, log } = recorder();
  const handle = await createRuntime(registry, { pollIntervalMs: 50, logger, ...config });
  onTestFinished(async () => void (await handle.stop()));
  return { handle, log };
}

/** A backend that knows ada and bob, in a state folder, and a registry with bob. */
async function backend(
  kind: 'local:' | 'http',
): Promise<{ stateDir: string; dock: Dock; registry: MapRegistry }> {
  const stateDir = mkdtempSync(join(tmpdir(), 'cleo-runtime-'));
  onTestFinished(() => rmSync(stateDir, { recursive: true, force: true }));
  const dock = await openDock({ file: join(stateDir, 'signaldock.db') });
  onTestFinished(() => dock.close());
  await dock.registerAgent({ agentId: 'ada' });
  const { apiKey } = await dock.registerAgent({ agentId: 'bob' });
  let apiBaseUrl: string = kind;
  if (kind === 'http') {
    const server = await serve({ dock, port: 0, rateLimit: { max: 0 } });
    onTestFinished(() => server.close());
    apiBaseUrl = server.url;
  }
  const registry = new MapRegistry();
  await registry.register({ agentId: 'bob', apiKey, apiBaseUrl });
  return { stateDir, dock, registry };
}
