import type { ConduitMessage } from '@cleocode/contracts';
import { seeded } from '@cleocode/contracts/testing';
import { createKernel, definePlugin } from '@cleocode/kernel';
import { expect, it, vi } from 'vitest';
import { poller } from './index.ts';
import { GroupTransport } from './transports.test.kit.ts';

const MESSAGES = 400;
const CONVERSATIONS = ['a', 'b', 'c', 'g'];

/** A backend with everything at once: push, a group with copies, slow answers and failures. One `seq` over all of it. */
class BusyBackend extends GroupTransport {
  override connected = false;
  readonly #random: () => number;
  readonly #subscribers = new Set<(message: ConduitMessage) => void>();
  #seq = 0;

  constructor(random: () => number) {
    super();
    this.#random = random;
    this.beforeFetch = () => this.#trouble();
    this.beforePoll = () => this.#trouble();
  }

  subscribe(handler: (message: ConduitMessage) => void): () => void {
    this.#subscribers.add(handler);
    return () => this.#subscribers.delete(handler);
  }

  send(threadId: string, content: string): void {
    this.#seq += 1;
    const message = { threadId, content, seq: this.#seq, id: `id-${this.#seq}` };
    if (threadId === 'g') this.say('g', message.content, { seq: message.seq, id: 'g', groupId: message.id });
    const copy = this.deliver({ ...message, ...(threadId === 'g' && { groupId: message.id }) });
    // A push arrives when it arrives, but never before another that was sent earlier.
    this.#pushes = this.#pushes
      .then(() => this.#pause(1))
      .then(() => {
        for (const push of this.#subscribers) push(copy);
      });
  }

  #pushes: Promise<void> = Promise.resolve();

  async #trouble(): Promise<void> {
    await this.#pause(4);
    if (this.#random() < 0.01) throw Object.assign(new Error('reset'), { retryable: true });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.#random() * ms));
  }
}

it.each([1, 2, 3])(
  'handles each message once and in the order of its conversation, whatever happens (seed %i)',
  async (seed) => {
    const random = seeded(seed);
    const transport = new BusyBackend(random);
    const handled: Record<string, string[]> = Object.fromEntries(CONVERSATIONS.map((name) => [name, []]));
    const worker = definePlugin({
      name: 'worker',
      version: '1.0.0',
      apiVersion: 1,
      setup(ctx) {
        ctx.on('message', async ({ message }) => {
          await new Promise((resolve) => setTimeout(resolve, random() * 3));
          if (random() < 0.1) throw new Error('again');
          handled[message.threadId!]!.push(message.content);
        });
      },
    });
    const kernel = createKernel({
      agent: 'bot',
      transport,
      plugins: [poller({ intervalMs: 15, liveIntervalMs: 40, groups: ['g'] }), worker()],
      inbox: {
        capacity: 24,
        laneCapacity: 8,
        concurrency: 3,
        retryBaseMs: 2,
        retryMaxMs: 10,
        maxAttempts: 20,
      },
      logger: quiet(),
    });
    const sent: Record<string, string[]> = Object.fromEntries(CONVERSATIONS.map((name) => [name, []]));
    const send = (n: number) => {
      const name = CONVERSATIONS[Math.floor(random() * CONVERSATIONS.length)]!;
      // Not every message of the group mentions the agent: the group shows gaps that only the own copies fill.
      const content = random() < 0.5 ? `${n} @bot` : `${n}`;
      transport.send(name, content);
      sent[name]!.push(content);
    };
    for (let n = 0; n < 100; n++) send(n);
    await kernel.start();
    for (let n = 100; n < MESSAGES; n++) {
      send(n);
      if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, random() * 6));
    }
    await vi.waitUntil(() => transport.acked.length >= MESSAGES, { timeout: 60_000 });
    expect(await kernel.stop()).toMatchObject({ ok: true });
    expect(handled).toEqual(sent);
    expect(new Set(transport.acked).size).toBe(MESSAGES);
  },
  90_000,
);

function quiet() {
  const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
  return logger;
}
