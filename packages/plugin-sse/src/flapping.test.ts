import { setTimeout as sleep } from 'node:timers/promises';
import { type Realtime, services } from '@cleocode/contracts';
import { FaultProxy, seeded } from '@cleocode/contracts/testing';
import { createKernel, createLogger, definePlugin } from '@cleocode/kernel';
import { poller } from '@cleocode/plugin-poller';
import { type HttpConnectConfig, HttpTransport } from '@cleocode/transport-http';
import { expect, it, onTestFinished, vi } from 'vitest';
import { testServer } from './harness.test.kit.ts';
import { sse } from './index.ts';

// A test has no time for the waits of an agent.
vi.mock('./reconnect-policy.ts', async (original) => ({
  ...(await original<typeof import('./reconnect-policy.ts')>()),
  ReconnectPolicy: class {
    begin() {}
    setBase() {}
    delay() {
      return 20;
    }
  },
}));

const MESSAGES = 150;

/** Does not go through the proxy: only the stream is to flap. */
class DirectTransport extends HttpTransport {
  readonly #url: string;

  constructor(url: string) {
    super();
    this.#url = url;
  }

  override connect(config: HttpConnectConfig): Promise<void> {
    return super.connect({ ...config, apiBaseUrl: this.#url });
  }
}

it.each([1, 2, 3])(
  'every message is handled once and in the order of its conversation, however the stream flaps (seed %i)',
  { timeout: 60_000 },
  async (seed) => {
    const random = seeded(seed);
    const senders = ['alice', 'carol', 'dave'];
    const { dock, url, keys } = await testServer([...senders, 'bob'], { streamHeartbeatMs: 50 });
    const { id: group } = await dock.createConversation('alice', {
      participants: ['bob', 'carol'],
      visibility: 'shared',
    });
    const proxy = await FaultProxy.start({ target: url });
    onTestFinished(() => proxy.close());
    const handled = new Map<string, string[]>();
    const sent = new Map<string, string[]>();
    const bySource: Record<string, number> = {};
    const add = (to: Map<string, string[]>, name: string, content: string) =>
      to.set(name, [...(to.get(name) ?? []), content]);
    let realtime!: Realtime;
    const worker = definePlugin({
      name: 'worker',
      version: '1.0.0',
      apiVersion: 1,
      requires: { realtime: services.realtime },
      setup(ctx, _, given) {
        realtime = given.realtime;
        ctx.on('message', async ({ message, source }) => {
          await sleep(random() * 4);
          if (random() < 0.1) throw new Error('again');
          bySource[source] = (bySource[source] ?? 0) + 1;
          add(handled, message.threadId!, message.content);
        });
      },
    });
    const kernel = createKernel({
      agent: { id: 'bob', apiKey: keys.bob!, apiBaseUrl: proxy.url() },
      transport: new DirectTransport(url),
      plugins: [poller({ intervalMs: 100 }), sse({ watchdogMs: 300 }), worker()],
      inbox: {
        capacity: 16,
        laneCapacity: 6,
        concurrency: 3,
        retryBaseMs: 2,
        retryMaxMs: 10,
        maxAttempts: 50,
      },
      logger: createLogger('error', () => {}),
    });
    onTestFinished(async () => void (await kernel.stop()));
    await kernel.start();
    const states: string[] = [];
    realtime.onChange((state) => states.push(state));
    for (let n = 0; n < MESSAGES; n++) {
      const from = senders[Math.floor(random() * senders.length)]!;
      const inGroup = from !== 'dave' && random() < 0.3;
      const message = inGroup
        ? await dock.sendToConversation(from, group, { content: `${n}` })
        : await dock.send(from, 'bob', { content: `${n}` });
      add(sent, message.conversationId, `${n}`);
      if (random() < 0.1) proxy.reset();
      if (random() < 0.3) await sleep(random() * 30);
    }
    await vi.waitUntil(async () => (await dock.peek('bob', {})).length === 0, { timeout: 40_000 });
    expect(handled).toEqual(sent);
    expect(kernel.inbox.stats()).toMatchObject({ done: MESSAGES, dead: 0 });
    expect(states.filter((state) => state === 'fallback').length).toBeGreaterThan(3);
    expect(states.filter((state) => state === 'live').length).toBeGreaterThan(3);
    expect(bySource.sse).toBeGreaterThan(10);
    expect(await kernel.stop()).toMatchObject({ ok: true });
  },
);
