import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PollOptions, type Realtime, Secret, services } from '@cleocode/contracts';
import { FaultProxy, MockTransport } from '@cleocode/contracts/testing';
import {
  createKernel,
  createLogger,
  type Delivery,
  definePlugin,
  type Kernel,
  type KernelConfig,
  type LogRecord,
} from '@cleocode/kernel';
import { poller } from '@cleocode/plugin-poller';
import { openStore, store } from '@cleocode/store';
import { HttpTransport } from '@cleocode/transport-http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { testServer } from './harness.test.kit.ts';
import { type SseOptions, sse } from './index.ts';
import { stubServer, until } from './stub.test.kit.ts';

/** Counts its polls. */
class CountingTransport extends HttpTransport {
  polls = 0;
  override poll(options?: PollOptions) {
    this.polls += 1;
    return super.poll(options);
  }
}

/** Resolves once no poll has begun for a while: when a stream goes live the poller looks once more. */
async function rest(transport: CountingTransport): Promise<void> {
  for (let polls = -1; polls !== transport.polls; await sleep(400)) polls = transport.polls;
}

interface Given extends Partial<KernelConfig> {
  sse?: SseOptions;
  handle?: (delivery: Delivery) => unknown;
}

async function scene() {
  const { dock, url, keys, restart } = await testServer(['alice', 'bob'], { streamHeartbeatMs: 100 });
  const proxy = await FaultProxy.start({ target: url });
  onTestFinished(() => proxy.close());
  const records: LogRecord[] = [];

  /** A kernel for bob, started, and stopped after the test. */
  async function run({ sse: options = {}, handle = () => {}, plugins = [], ...config }: Given = {}) {
    const transport = new CountingTransport();
    let realtime!: Realtime;
    const handled: { content: string; source: string }[] = [];
    const worker = definePlugin({
      name: 'worker',
      version: '1.0.0',
      apiVersion: 1,
      requires: { realtime: services.realtime },
      setup(ctx, _, given) {
        realtime = given.realtime;
        ctx.on('message', async (delivery) => {
          await handle(delivery);
          handled.push({ content: delivery.message.content, source: delivery.source });
        });
      },
    });
    const kernel = createKernel({
      agent: { id: 'bob', apiKey: keys.bob!, apiBaseUrl: proxy.url() },
      transport,
      plugins: [
        ...plugins,
        poller({ intervalMs: 200, liveIntervalMs: 60_000 }),
        sse({ watchdogMs: 5_000, ...options }),
        worker(),
      ],
      logger: createLogger('debug', (record) => records.push(record)),
      ...config,
    });
    onTestFinished(async () => void (await kernel.stop()));
    await kernel.start();
    return { kernel, transport, realtime, handled };
  }
  const send = (content: string) => dock.send('alice', 'bob', { content });
  const unread = async () => (await dock.peek('bob', {})).length;
  return { dock, url, keys, restart, proxy, records, run, send, unread };
}

describe('the plugin beside the poller', () => {
  it('brings messages as they are sent, while the poller rests', async () => {
    const { run, send, unread } = await scene();
    await send('before');
    const { kernel, transport, realtime, handled } = await run();
    await until(() => realtime.state === 'live');
    await until(() => handled.length === 1);
    await rest(transport);
    const polls = transport.polls;
    const started = performance.now();
    await send('after');
    await until(() => handled.length === 2);
    expect(performance.now() - started).toBeLessThan(4_000);
    expect(handled).toEqual([
      { content: 'before', source: expect.any(String) },
      { content: 'after', source: 'sse' },
    ]);
    await vi.waitFor(async () => expect(await unread()).toBe(0));
    expect(transport.polls).toBe(polls);
    expect(await kernel.stop()).toMatchObject({ ok: true, forced: [] });
  });

  it('makes it fast within a second of a loss, and lets it rest again', async () => {
    const { run, send, proxy } = await scene();
    const { transport, realtime, handled } = await run();
    await until(() => realtime.state === 'live');
    await rest(transport);
    const polls = transport.polls;
    proxy.reset();
    await until(() => transport.polls >= polls + 2);
    await send('by polling');
    await until(() => handled.length === 1);
    await until(() => realtime.state === 'live');
    await rest(transport);
  });

  it('logs what is wrong and that it works again, and never the key', async () => {
    const { run, proxy, records, keys } = await scene();
    await proxy.down();
    const { realtime } = await run();
    const lines = () =>
      records
        .filter(({ message }) => message.startsWith('stream: '))
        .map(({ level, fields }) => [level, fields.code]);
    await until(() => lines().length > 0);
    await proxy.heal();
    await until(() => realtime.state === 'live');
    expect(lines()).toEqual([
      ['warn', 'E_TRANSPORT_UNREACHABLE'],
      ['info', undefined],
    ]);
    expect(JSON.stringify(records)).not.toContain(keys.bob!.slice(0, 16));
  });

  it('finds the stream of the credential, or of its own option', async () => {
    const { url } = await scene();
    const asked: string[] = [];
    const kernelFor = (transportConfig: Record<string, unknown>, options: SseOptions): Kernel => {
      const agent = definePlugin({
        name: 'agent',
        version: '1.0.0',
        apiVersion: 1,
        provides: [services.agent],
        setup: (ctx) =>
          ctx.provide(services.agent, {
            id: 'bob',
            credential: () => ({
              agentId: 'bob',
              apiKey: new Secret('sk_test_1'),
              apiBaseUrl: url,
              transportType: 'sse',
              transportConfig,
            }),
            onChange: () => () => {},
            reportUnauthorized: () => {},
          }),
      });
      return createKernel({ transport: new MockTransport(), plugins: [agent(), sse(options)] });
    };
    for (const [config, options] of [
      [{ sseEndpoint: 'https://evil.example/a' }, {}],
      [{ sseEndpoint: '/good' }, { endpoint: 'https://evil.example/b' }],
    ] as const) {
      const error = await kernelFor(config, options)
        .start()
        .catch((thrown) => thrown);
      asked.push(error.cause.code);
    }
    expect(asked).toEqual(['E_TRANSPORT_ADDRESS', 'E_TRANSPORT_ADDRESS']);
  });

  it('refuses a backend without an address, and options it does not know', async () => {
    const kernel = (options: object) =>
      createKernel({ agent: 'bob', transport: new MockTransport(), plugins: [sse(options)] });
    await expect(kernel({}).start()).rejects.toMatchObject({
      code: 'E_PLUGIN_FAILED',
      plugin: '@cleocode/plugin-sse',
      cause: { code: 'E_TRANSPORT_ADDRESS' },
    });
    await expect(kernel({ watchdog: 5 }).start()).rejects.toMatchObject({ code: 'E_PLUGIN_OPTIONS' });
  });
});

describe('the plugin and the store', () => {
  it('goes on after the event it got last, also in the next process', async () => {
    const { run, send, keys, proxy } = await scene();
    const root = mkdtempSync(join(tmpdir(), 'plugin-sse-'));
    onTestFinished(() => rmSync(root, { recursive: true, force: true }));
    const folders = { dir: join(root, '.cleo'), dataDir: join(root, 'data') };
    const opened = await openStore(folders);
    await opened.registry.register({ agentId: 'bob', apiKey: keys.bob!, apiBaseUrl: proxy.url() });
    await opened.close();
    const plugins = [store({ ...folders, agent: 'bob' })];
    const first = await run({ plugins, agent: 'bob' });
    await until(() => first.realtime.state === 'live');
    const { id } = await send('the last one');
    await until(() => first.handled.length === 1);
    await first.kernel.stop();
    const next = await stubServer((response) => response.writeHead(503).end());
    proxy.retarget(next.url);
    await run({ plugins, agent: 'bob' });
    const streams = () => next.requests.filter(({ path }) => path === '/messages/stream');
    await until(() => streams().length > 0);
    expect(streams()[0]?.headers['last-event-id']).toBe(id);
  });
});
