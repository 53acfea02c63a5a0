import type { ConduitMessage, Transport } from '@cleocode/contracts';
import { FaultProxy, MockTransport } from '@cleocode/contracts/testing';
import { createKernel, definePlugin } from '@cleocode/kernel';
import { poller } from '@cleocode/plugin-poller';
import { HttpTransport } from '@cleocode/transport-http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { testServer } from './harness.test.kit.ts';
import { SseTransport, type SseTransportOptions } from './sse-transport.ts';
import { STREAM, stubServer, until } from './stub.test.kit.ts';
import { Subscribers } from './subscribers.ts';

const config = (apiBaseUrl: string, apiKey = 'sk_test_1') => ({ agentId: 'bob', apiKey, apiBaseUrl });

function connectable(options: SseTransportOptions): SseTransport {
  const transport = new SseTransport({ onError: () => {}, ...options });
  onTestFinished(() => transport.disconnect());
  return transport;
}

describe('SseTransport', () => {
  it('has the capabilities of its inner transport, and no others', () => {
    const named = ['fetchConversation', 'heartbeat', 'setStatus', 'isOnline', 'rotateKey'] as const;
    const has = (transport: Transport) => named.filter((name) => transport[name] !== undefined);
    expect(has(new SseTransport({ inner: new MockTransport() }))).toEqual([]);
    expect(has(new SseTransport({ inner: new HttpTransport() }))).toEqual(named);
  });

  it('connects while there is no server, and serves its subscribers by polling', async () => {
    const inner = new MockTransport();
    const transport = connectable({ inner, pollIntervalMs: 20 });
    await transport.connect(config('http://127.0.0.1:9'));
    const heard: string[] = [];
    transport.subscribe(({ content }) => heard.push(content));
    inner.deliver({ content: '1' });
    await until(() => heard.length === 1);
    inner.deliver({ content: '2' });
    await until(() => heard.length === 2);
    expect(heard).toEqual(['1', '2']);
  });

  it('waits no longer for a server that does not answer than a few seconds', async () => {
    const server = await stubServer(() => {});
    const transport = connectable({ inner: new MockTransport() });
    const started = performance.now();
    await transport.connect(config(server.url));
    expect(performance.now() - started).toBeLessThan(4_500);
  });

  it('refuses an address it must not use, and is not connected then', async () => {
    const inner = new MockTransport();
    const transport = connectable({ inner });
    for (const [bad, code] of [
      [config('local:'), 'E_TRANSPORT_ADDRESS'],
      [config('http://h.example'), 'E_TRANSPORT_INSECURE'],
      [{ ...config('https://h'), sseEndpoint: 'https://evil.example' }, 'E_TRANSPORT_ADDRESS'],
    ] as const)
      await expect(transport.connect(bad)).rejects.toMatchObject({ code });
    expect(inner.connected).toBe(false);
    expect(() => transport.subscribe(() => {})).toThrow(
      expect.objectContaining({ code: 'E_TRANSPORT_NOT_CONNECTED' }),
    );
  });

  it('is not connected when its inner transport fails to be', async () => {
    const inner = new MockTransport();
    inner.failNext('connect', new Error('no'));
    const transport = connectable({ inner });
    await expect(transport.connect(config('http://127.0.0.1:9'))).rejects.toThrow('no');
    expect(() => transport.subscribe(() => {})).toThrow();
  });

  it('connects anew with another key, and stays as it is with the same', async () => {
    const { url, keys, dock } = await testServer(['bob'], {});
    const proxy = await FaultProxy.start({ target: url });
    onTestFinished(() => proxy.close());
    const transport = connectable({ inner: new MockTransport() });
    const first = config(proxy.url(), keys.bob!);
    await transport.connect(first);
    await transport.connect({ ...first });
    const before = proxy.connections;
    const { apiKey } = await dock.rotateKey('bob', { overlapSeconds: 60 });
    await transport.connect(config(proxy.url(), apiKey));
    expect(proxy.connections).toBeGreaterThan(before);
  });

  it('fetches what was missed before it brings what came after, each once', async () => {
    const inner = new MockTransport();
    const frame = (message: ConduitMessage) =>
      `id: ${message.id}\ndata: ${JSON.stringify({ ...message, createdAt: 't' })}\n\n`;
    let connections = 0;
    const server = await stubServer((response, request) => {
      if (request.url === '/health') return response.writeHead(404).end();
      connections += 1;
      response.writeHead(200, STREAM);
      if (connections === 1) {
        response.write('retry: 250\n\n:\n\nretry: 251\n\n');
        setTimeout(() => {
          response.write(frame(inner.deliver({ content: 'first' })));
          inner.deliver({ content: 'missed' });
          response.end();
        }, 50);
      } else response.write(frame(inner.deliver({ content: 'after' })));
    });
    const transport = connectable({ inner });
    await transport.connect(config(server.url));
    const heard: string[] = [];
    transport.subscribe(({ content }) => heard.push(content));
    await until(() => heard.length === 3);
    expect(heard).toEqual(['first', 'missed', 'after']);
  });

  it('tells of trouble, by a warning of the process unless somebody wants to hear of it', async () => {
    const warnings: unknown[] = [];
    const warn = vi
      .spyOn(process, 'emitWarning')
      .mockImplementation((warning) => void warnings.push(warning));
    onTestFinished(() => warn.mockRestore());
    const heard: unknown[] = [];
    await connectable({ inner: new MockTransport(), onError: (error) => heard.push(error) }).connect(
      config('http://127.0.0.1:9'),
    );
    const bad = new Error('a bad reporter');
    const onError = () => {
      throw bad;
    };
    await connectable({ inner: new MockTransport(), onError }).connect(config('http://127.0.0.1:9'));
    const transport = new SseTransport({ inner: new MockTransport() });
    await transport.connect(config('http://127.0.0.1:9'));
    await transport.disconnect();
    const unreachable = expect.objectContaining({ code: 'E_TRANSPORT_UNREACHABLE' });
    expect([heard, warnings]).toEqual([[unreachable], [bad, unreachable]]);
  });
});

it('pushes to the poller of a kernel', async () => {
  const { dock, url, keys } = await testServer(['alice', 'bob']);
  const handled: string[] = [];
  const worker = definePlugin({
    name: 'worker',
    version: '1.0.0',
    apiVersion: 1,
    setup(ctx) {
      ctx.on('message', ({ message, source }) => void handled.push(`${message.content} by ${source}`));
    },
  });
  const kernel = createKernel({
    agent: { id: 'bob', apiKey: keys.bob!, apiBaseUrl: url },
    transport: new SseTransport({ inner: new HttpTransport() }),
    plugins: [poller({ intervalMs: 60_000 }), worker()],
  });
  onTestFinished(async () => void (await kernel.stop()));
  await dock.send('alice', 'bob', { content: 'before' });
  await kernel.start();
  await until(() => handled.length === 1);
  await dock.send('alice', 'bob', { content: 'after' });
  await until(() => handled.length === 2);
  expect(handled).toEqual(['before by poll', 'after by push']);
});

describe('the subscribers of a backend that does not number its messages', () => {
  it('hear each message once', async () => {
    const subscribers = new Subscribers(() => {});
    const heard: string[] = [];
    subscribers.add(({ id }) => heard.push(id));
    await new Promise((resolve) => setImmediate(resolve));
    const message = (id: string): ConduitMessage => ({ id, from: 'alice', content: '', timestamp: '' });
    subscribers.receive([message('1'), message('2')]);
    expect(subscribers.receive([message('1'), message('3')])).toEqual({
      accepted: 1,
      duplicates: 1,
      deferred: [],
    });
    expect([heard, subscribers.cursor]).toEqual([['1', '2', '3'], 0]);
  });
});
