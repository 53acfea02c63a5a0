import type { CleoError, ConduitMessage } from '@cleocode/contracts';
import { FaultProxy, MockTransport } from '@cleocode/contracts/testing';
import { HttpTransport } from '@cleocode/transport-http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { testServer } from './harness.test.kit.ts';
import { FakeAgent } from './intake.test.kit.ts';
import { type SseConnectionOptions, SseConnectionService } from './service.ts';
import { until } from './stub.test.kit.ts';

async function scene(options: Partial<SseConnectionOptions> = {}) {
  const { dock, url, keys, restart } = await testServer(['alice', 'bob'], { streamHeartbeatMs: 100 });
  const proxy = await FaultProxy.start({ target: url });
  onTestFinished(() => proxy.close());
  const transport = new HttpTransport();
  const apiBaseUrl = proxy.url();
  await transport.connect({ agentId: 'bob', apiKey: keys.bob!, apiBaseUrl });
  onTestFinished(() => transport.disconnect());
  const errors: CleoError[] = [];
  const service = new SseConnectionService({
    agentId: 'bob',
    apiKey: keys.bob!,
    apiBaseUrl,
    transport,
    pollIntervalMs: 50,
    watchdogMs: 5_000,
    onError: (error) => errors.push(error),
    ...options,
  });
  onTestFinished(() => service.stop());
  const heard: string[] = [];
  const hear = ({ content }: ConduitMessage) => void heard.push(content);
  const send = (content: string) => dock.send('alice', 'bob', { content });
  const unread = async () => (await dock.peek('bob', {})).map(({ content }) => content);
  return { dock, keys, proxy, restart, service, errors, heard, hear, send, unread };
}

describe('SseConnectionService', () => {
  it('brings messages to its handlers as they are sent, and acks them', async () => {
    const { service, heard, hear, send, unread } = await scene();
    await send('before');
    service.onMessage(hear);
    expect(service.status()).toMatchObject({ running: false, transportName: 'sse', state: 'fallback' });
    await service.start();
    await service.start();
    await until(() => service.state === 'live');
    await send('after');
    await until(() => heard.length === 2);
    await vi.waitFor(async () => expect(await unread()).toEqual([]));
    expect(heard).toEqual(['before', 'after']);
    expect(service.status()).toMatchObject({ running: true, state: 'live', unreadable: 0 });
    expect(service.lastReceiveAgeMs).toBeLessThan(5_000);
    await service.stop();
    expect(service.status()).toMatchObject({ running: false, state: 'fallback' });
  });

  it('polls while there is no stream', async () => {
    const { service, heard, hear, send, proxy, errors, keys } = await scene({ sseEndpoint: '/nothing/here' });
    service.onMessage(hear);
    await service.start();
    await send('1');
    await until(() => heard.length === 1);
    await send('2');
    await until(() => heard.length === 2);
    expect([service.state, errors.map(({ code }) => code)]).toEqual(['fallback', ['E_STREAM_UNAVAILABLE']]);
    expect(service.status().problem?.hint).toContain('endpoint');
    // Each of the many polls on a connection of its own would be more.
    expect(proxy.connections).toBeLessThan(20);
    expect(JSON.stringify([service, service.status(), errors])).not.toContain(keys.bob!);
  });

  it('misses nothing when it is cut off again and again', async () => {
    const { service, heard, hear, send, proxy, unread } = await scene();
    service.onMessage(hear);
    await service.start();
    const sent = Array.from({ length: 60 }, (_, n) => `${n}`);
    for (const content of sent) {
      await send(content);
      if (Number(content) % 10 === 5) proxy.reset();
    }
    await until(() => heard.length >= sent.length);
    await vi.waitFor(async () => expect(await unread()).toEqual([]));
    expect(heard).toEqual(sent);
  });

  it('leaves messages unread until there is a handler, and after there is none', async () => {
    const { service, heard, hear, send, unread } = await scene();
    await service.start();
    await send('1');
    await vi.waitFor(async () => expect(await unread()).toEqual(['1']));
    expect(service.state).not.toBe('live');
    const end = service.onMessage(hear);
    await until(() => heard.length === 1);
    await until(() => service.state === 'live');
    end();
    await send('2');
    await service.stop();
    expect([heard, await unread()]).toEqual([['1'], ['2']]);
  });

  it('starts again where it stopped, also during a stop, and handles nothing twice', async () => {
    const { service, heard, hear, send } = await scene();
    service.onMessage(hear);
    const states: string[] = [];
    const end = service.onChange((state) => states.push(state));
    await service.start();
    await send('1');
    await until(() => heard.length === 1 && service.state === 'live');
    const stopped = service.stop();
    await service.start();
    await stopped;
    await send('2');
    await until(() => heard.length === 2 && service.state === 'live');
    end();
    await service.stop();
    expect([heard, states]).toEqual([
      ['1', '2'],
      ['live', 'fallback', 'live'],
    ]);
  });

  it('takes its key from a live credential', async () => {
    const { dock, keys, service: unused, proxy, heard, hear, send } = await scene();
    await unused.stop();
    const agent = new FakeAgent('bob', keys.bob!, proxy.url());
    const transport = new HttpTransport();
    await transport.connect({ agentId: 'bob', agent, apiBaseUrl: proxy.url() });
    onTestFinished(() => transport.disconnect());
    const service = new SseConnectionService({
      agentId: 'bob',
      agent,
      apiBaseUrl: proxy.url(),
      transport,
      watchdogMs: 5_000,
    });
    onTestFinished(() => service.stop());
    service.onMessage(hear);
    const states: string[] = [];
    service.onChange((state) => states.push(state));
    await service.start();
    await until(() => service.state === 'live');
    const { apiKey } = await dock.rotateKey('bob', { overlapSeconds: 60 });
    const before = proxy.connections;
    agent.setKey(apiKey);
    await until(() => proxy.connections > before);
    await send('with the new key');
    await until(() => heard.length === 1);
    expect([states, agent.refusals]).toEqual([['live'], []]);
  });

  it('tells of what its handlers and its own reporter throw', async () => {
    const lines: string[] = [];
    const log = vi.spyOn(console, 'error').mockImplementation((line) => void lines.push(line));
    onTestFinished(() => log.mockRestore());
    const { service, send } = await scene({
      onError: () => {
        throw new Error('a bad reporter');
      },
    });
    service.onMessage(() => {
      throw new Error('a bad handler');
    });
    await service.start();
    await send('1');
    await until(() => lines.length >= 2);
    expect(lines[0]).toContain('a bad reporter');
    expect(lines[1]).toMatch(/^E_HANDLER_FAILED: .*a bad handler/);
  });
});

describe('options that cannot be used', () => {
  const good = {
    agentId: 'bob',
    apiKey: 'sk_test_1',
    apiBaseUrl: 'https://h',
    transport: new MockTransport(),
  };

  it.each([
    ['no agent', { agentId: '' }, 'E_SSE_OPTIONS', 'agentId'],
    ['no transport', { transport: undefined as never }, 'E_SSE_OPTIONS', 'transport'],
    ['a wait of nothing', { pollIntervalMs: 0 }, 'E_SSE_OPTIONS', 'pollIntervalMs'],
    ['a wait beyond timers', { watchdogMs: 2 ** 31 }, 'E_SSE_OPTIONS', 'watchdogMs'],
    ['no address', { apiBaseUrl: 'local:' }, 'E_TRANSPORT_ADDRESS', 'http'],
    ['a stream elsewhere', { sseEndpoint: 'https://evil.example/stream' }, 'E_TRANSPORT_ADDRESS', 'outside'],
    ['plain http', { apiBaseUrl: 'http://h.example' }, 'E_TRANSPORT_INSECURE', 'plain http'],
  ])('are refused: %s', (_, bad, code, text) => {
    expect(() => new SseConnectionService({ ...good, ...bad })).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(text), hint: expect.any(String) }),
    );
  });

  it('plain http may be allowed', () => {
    new SseConnectionService({ ...good, apiBaseUrl: 'http://h.example', allowInsecure: true });
  });
});
