import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineService, services } from '@cleocode/contracts';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { definePlugin, type PluginContext, type PluginDefinition, type PluginFactory } from '../index.ts';
import { type PluginGiven, pluginContract, providing } from './index.ts';

interface Clock {
  now(): number;
}
const clock = defineService<Clock>('test/clock');
const count = defineService<{ value: number }>('test/count');

/** Does a bit of everything, and all of it well. */
const good = definePlugin({
  name: '@acme/cleo-plugin-good',
  version: '1.2.3',
  apiVersion: 1,
  options: z.strictObject({ everyMs: z.int().positive().default(10), list: z.array(z.string()).default([]) }),
  requires: { agent: services.agent, clock },
  optional: { transport: services.transport },
  provides: [count],
  setup(ctx, { everyMs }, { agent, clock }) {
    const counted = { value: 0 };
    ctx.provide(count, counted);
    ctx.on('init', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      ctx.defer(() => new Promise((resolve) => void server.close(() => resolve())));
      await once(server, 'listening');
    });
    ctx.on('start', () => {
      ctx.task('tick', async (signal) => {
        for (;;) await sleep(everyMs, undefined, { signal });
      });
    });
    ctx.on('message', async (delivery) => {
      counted.value += 1;
      ctx.logger.info('counted', { by: agent.id, at: clock.now(), key: agent.credential().apiKey });
      await delivery.reply(`${counted.value}`);
    });
  },
});

const clocks = () => [providing(clock, { now: () => 7 })];

const neverSkipped = {
  skip(reason?: string) {
    throw new Error(`skipped: ${reason}`);
  },
};

describe('a plugin that keeps the contract', () => {
  const given = {
    options: () => ({ everyMs: 5 }),
    invalidOptions: { everyMs: { everyMs: 'soon' }, 'list[1]': { list: ['a', 2] } },
    services: clocks,
  };
  it.each(pluginContract(good, given))('$name', ({ run }) => run(neverSkipped));
});

it('skips what a plugin has no use for, and says why', async () => {
  const reasons: string[] = [];
  for (const { run } of pluginContract(plugin({})))
    await run({ skip: (reason) => void reasons.push(reason ?? '') });
  expect(reasons).toEqual([
    'no invalidOptions are given',
    'it handles no messages',
    'it handles no messages',
  ]);
});

const started = 'it starts and stops in time, and leaves nothing behind';
const declares = 'setup only declares: it opens nothing and waits for nothing';
const options = z.strictObject({ everyMs: z.number().optional() });

describe('the contract catches a plugin', () => {
  beforeEach(() => void vi.spyOn(console, 'debug').mockImplementation(() => {}));
  afterEach(() => vi.restoreAllMocks());

  it.each<[fault: string, rule: string, factory: PluginFactory, says: string, given?: PluginGiven]>([
    ['that was called already', definition(), good() as never, 'not yet called'],
    ['without a name for npm', definition(), plugin({ name: 'My Plugin' }), 'the name of its package'],
    ['with a version that is none', definition(), plugin({ version: 'latest' }), 'one of semver'],
    ['for another interface', definition(), plugin({ apiVersion: 2 as 1 }), 'its apiVersion'],
    [
      'that needs itself',
      definition(),
      plugin({ optional: { count }, provides: [count] }),
      'does not need test/count of itself',
    ],
    [
      'that misspells a token',
      definition(),
      plugin({ requires: { one: undefined as never } }),
      'one is a service',
    ],
    [
      'that provides less than it says',
      'it provides the services it declares, and no other',
      plugin({ provides: [count] }),
      'did not provide it',
    ],
    [
      'that provides nothing by name',
      'it provides the services it declares, and no other',
      plugin({ provides: [count], setup: (ctx) => ctx.provide(count, undefined as never) }),
      '"test/count" is there',
    ],
    [
      'that refuses good options',
      'it takes the options it is given',
      plugin({ options }),
      'expected number',
      { options: { everyMs: 'soon' } },
    ],
    [
      'that takes bad options',
      'it refuses options that cannot work, and blames the right one',
      plugin({ options: z.looseObject({}) }),
      'it refuses the options for "everyMs"',
      { invalidOptions: { everyMs: { everyMs: 'soon' } } },
    ],
    [
      'that blames the wrong option',
      'it refuses options that cannot work, and blames the right one',
      plugin({ options: options.refine(({ everyMs }) => everyMs !== 0, 'not zero') }),
      'it blames "everyMs"',
      { invalidOptions: { everyMs: { everyMs: 0 } } },
    ],
    [
      'that takes misspelt options',
      'it refuses an option that it does not know',
      plugin({ options: z.object({}) }),
      'it refuses a misspelt option',
    ],
    [
      'that starts a timer in setup',
      declares,
      plugin({
        setup: (ctx) =>
          ctx.defer(
            clearInterval.bind(
              undefined,
              setInterval(() => {}, 1_000),
            ),
          ),
      }),
      'Timeout',
    ],
    [
      'that starts an unref-ed timer in setup',
      declares,
      plugin({ setup: () => void setTimeout(() => {}, 10).unref() }),
      'Timeout',
    ],
    [
      'that reads a file in setup',
      declares,
      plugin({ setup: () => void readFileSync(import.meta.filename) }),
      'readFileSync',
    ],
    [
      'that listens in setup',
      declares,
      plugin({
        setup(ctx) {
          const server = createServer().listen(0, '127.0.0.1');
          ctx.defer(() => void server.close());
        },
      }),
      'TCPSERVERWRAP',
    ],
    [
      'that asks the network a little after setup',
      declares,
      plugin({ setup: () => void fetch('http://127.0.0.1:49151').catch(() => {}) }),
      'TCP',
    ],
    [
      'whose setup is async',
      declares,
      plugin({ setup: (async () => {}) as never }),
      'setup returned a promise',
    ],
    [
      'that does not come up',
      started,
      plugin({ setup: (ctx) => void ctx.on('init', never) }),
      'did not finish init within 100 ms',
    ],
    [
      'that does not go down',
      started,
      plugin({ setup: (ctx) => void ctx.on('stop', never) }),
      'did not finish stop within 100 ms',
    ],
    [
      'whose stop fails',
      started,
      plugin({ setup: (ctx) => void ctx.on('stop', () => Promise.reject(new Error('no such table'))) }),
      'no such table',
    ],
    [
      'whose task runs on',
      started,
      plugin({ setup: (ctx) => void ctx.on('start', () => void ctx.task('deaf', never)) }),
      'task "deaf" did not end',
    ],
    ['that leaves a timer', started, plugin({ setup: leavingTimer }), 'plugin-contract.test.ts:'],
    [
      'that leaves a server',
      started,
      plugin({ setup: (ctx) => void ctx.on('start', () => void endLater(createServer().listen(0))) }),
      'TCPSERVERWRAP',
    ],
    [
      'that leaves a file open',
      started,
      plugin({ setup: (ctx) => void ctx.on('init', () => void openSync(import.meta.filename, 'r')) }),
      'plugin-contract.test.ts',
    ],
    [
      'that defers in start what it opens in init',
      'what it opened is closed when another plugin fails in init',
      plugin({
        setup(ctx) {
          let timer: NodeJS.Timeout | undefined;
          ctx.on('init', () => {
            timer = setTimeout(() => {}, 500);
          });
          ctx.on('start', () => ctx.defer(() => clearTimeout(timer)));
        },
      }),
      'after a failed init of another',
    ],
    ['that starts once', 'it starts again in another kernel', onceOnly(), 'started before'],
    [
      'that knows one agent only',
      'two agents of one process have it at the same time',
      alone(),
      'is running already',
    ],
    [
      'whose handler fails',
      'it handles a message in time, and leaves it to others as it came',
      plugin({ setup: (ctx) => void ctx.on('message', () => Promise.reject(new Error('no idea'))) }),
      'dead: plugin: no idea',
    ],
    [
      'that changes a message under the eyes of others',
      'it handles a message in time, and leaves it to others as it came',
      plugin({
        setup: (ctx) =>
          void ctx.on('message', ({ message }) => void Object.assign(message, { content: 'mine' })),
      }),
      'other plugins see it as it came',
    ],
    [
      'whose handler is deaf to a stop',
      'its handlers end when a stop no longer waits for them',
      plugin({ setup: (ctx) => void ctx.on('message', () => sleep(400)) }),
      'a message handler',
    ],
    [
      'that logs the key',
      secret(),
      ofAgent(
        (ctx, key) => void ctx.on('start', () => ctx.logger.info('connected', { url: `/?k=${key()}` })),
      ),
      'logger.info("connected")',
    ],
    [
      'that prints the key, encoded',
      secret(),
      ofAgent(
        (ctx, key) => void ctx.on('message', () => console.debug(Buffer.from(key()).toString('base64'))),
      ),
      'console.debug',
    ],
  ])('%s', async (_, rule, factory, says, given) => {
    const found = pluginContract(factory, { deadlineMs: 100, patienceMs: 50, ...given });
    const { run } = found.find(({ name }) => name === rule)!;
    await expect(run(neverSkipped)).rejects.toThrow(says);
  });
});

it('catches a plugin from which an error escapes', async () => {
  // The runner has its own opinion of such errors.
  const runners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  onTestFinished(() => {
    for (const listener of runners) process.on('unhandledRejection', listener);
  });
  const careless = plugin({
    setup: (ctx) => void ctx.on('start', () => void Promise.reject(new Error('nobody waits for me'))),
  });
  const { run } = pluginContract(careless).find(({ name }) => name === started)!;
  await expect(run()).rejects.toThrow('nobody waits for me');
});

// biome-ignore lint/suspicious/noExplicitAny: plugins of every type
function plugin(definition: Partial<PluginDefinition<any, any, any, any, any>>): PluginFactory<any> {
  return definePlugin({ name: 'plugin', version: '1.0.0', apiVersion: 1, setup() {}, ...definition });
}

function ofAgent(setup: (ctx: PluginContext, key: () => string) => void): PluginFactory {
  return definePlugin<unknown, unknown, { agent: typeof services.agent }>({
    name: 'plugin',
    version: '1.0.0',
    apiVersion: 1,
    requires: { agent: services.agent },
    setup: (ctx, _options, { agent }) => setup(ctx, () => agent.credential().apiKey.reveal()),
  });
}

function definition(): string {
  return 'it is a factory whose definition has all that a kernel asks for';
}

function secret(): string {
  return "nothing it logs or prints has the agent's key in it";
}

function never(): Promise<never> {
  return new Promise(() => {});
}

/** Outlives the plugin, and yet not the test. */
function leavingTimer(ctx: PluginContext): void {
  ctx.on('start', () => void setTimeout(() => {}, 500));
}

function endLater(server: ReturnType<typeof createServer>): void {
  setTimeout(() => server.close(), 500).unref();
}

function onceOnly(): PluginFactory {
  let starts = 0;
  return plugin({
    setup: (ctx) =>
      void ctx.on('start', () => {
        starts += 1;
        if (starts > 1) throw new Error('started before');
      }),
  });
}

function alone(): PluginFactory {
  let running = false;
  return plugin({
    setup(ctx) {
      ctx.on('init', () => {
        if (running) throw new Error('is running already');
        running = true;
        ctx.defer(() => {
          running = false;
        });
      });
    },
  });
}
