import { services } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { expect, it, vi } from 'vitest';
import { type Band, type HookEntry, Hooks } from './hooks.ts';
import { type Delivery, definePlugin, type HookName, type HookOptions } from './index.ts';
import { gate, kernelOf, message, plugin, rejection, until } from './kernel.test.kit.ts';

/** Every hook there is: a new one that is missing here does not compile. */
const EVERY_HOOK = Object.keys({
  init: true,
  start: true,
  message: true,
  stop: true,
} satisfies Record<HookName, true>) as HookName[];

it.each(EVERY_HOOK)('the hook "%s" fires, with its argument, in a kernel from end to end', async (hook) => {
  const fired = vi.fn();
  const transport = new MockTransport();
  const sent = transport.deliver({ content: 'hello' });
  const source = definePlugin({
    name: 'source',
    version: '1.0.0',
    apiVersion: 1,
    requires: { inbox: services.inbox, transport: services.transport },
    setup(ctx, _options, { inbox, transport: own }) {
      ctx.on('start', async () => {
        inbox.receive(await own.poll(), { name: 'poll', ackable: true, afterSeq: 0 });
      });
      ctx.on('message', () => {});
    },
  });
  const watcher = plugin('watcher', (ctx) => ctx.on(hook, fired));
  const kernel = kernelOf({ agent: 'me', transport, plugins: [source(), watcher] });
  await kernel.start();
  await until(() => transport.acked.includes(sent.id));
  await kernel.stop('done');
  const argument = { init: undefined, start: undefined, message: { message: sent }, stop: 'done' }[hook];
  expect(fired).toHaveBeenCalledOnce();
  if (argument === undefined) expect(fired.mock.lastCall![0]).toBeUndefined();
  else if (hook === 'message') expect(fired.mock.lastCall![0]).toMatchObject(argument as object);
  else expect(fired.mock.lastCall![0]).toBe(argument);
});

it('runs the message handlers of all plugins by band, and inside a band in plugin order', async () => {
  const sequence: string[] = [];
  const handlers = (name: string) =>
    plugin(name, (ctx) => {
      for (const order of ['post', undefined, 'pre'] as HookOptions['order'][])
        ctx.on('message', () => void sequence.push(`${name} ${order ?? 'normal'}`), order ? { order } : {});
    });
  const kernel = kernelOf({ plugins: [handlers('a'), handlers('b')] });
  await kernel.start();
  await kernel.dispatch(message());
  expect(sequence).toEqual(['a pre', 'b pre', 'a normal', 'b normal', 'a post', 'b post']);
});

it("orders the other hooks by plugin first: bands order a plugin's own handlers, backwards plugins included", async () => {
  const sequence: string[] = [];
  const handlers = (name: string) =>
    plugin(name, (ctx) => {
      for (const hook of ['init', 'stop'] as const)
        for (const order of ['post', 'pre'] as const)
          ctx.on(hook, () => void sequence.push(`${name} ${hook} ${order}`), { order });
    });
  const kernel = kernelOf({ plugins: [handlers('a'), handlers('b')] });
  await kernel.start();
  await kernel.stop();
  expect(sequence).toEqual([
    ...['a init pre', 'a init post', 'b init pre', 'b init post'],
    ...['b stop pre', 'b stop post', 'a stop pre', 'a stop post'],
  ]);
});

it('keeps the order of registration inside one plugin and band', async () => {
  const sequence: number[] = [];
  const kernel = kernelOf({
    plugins: [
      plugin('a', (ctx) => {
        for (const n of [1, 2, 3]) ctx.on('message', () => void sequence.push(n));
      }),
    ],
  });
  await kernel.start();
  await kernel.dispatch(message());
  expect(sequence).toEqual([1, 2, 3]);
});

it('calls a handler no more once it was turned off, twice being once', async () => {
  const handler = vi.fn();
  let off = () => {};
  const kernel = kernelOf({
    plugins: [
      plugin('a', (ctx) => {
        off = ctx.on('message', handler);
        ctx.on('message', () => {});
      }),
    ],
  });
  await kernel.start();
  await kernel.dispatch(message());
  off();
  off();
  await kernel.dispatch(message());
  expect(handler).toHaveBeenCalledOnce();
  expect(kernel.describe().plugins[0]!.hooks).toEqual({ message: 1 });
});

it.each(EVERY_HOOK)(
  'skips a handler of "%s" that was turned off while the pass was under way',
  async (hook) => {
    const later = vi.fn();
    const kernel = kernelOf({
      plugins: [
        plugin('a', (ctx) => {
          ctx.on(hook, () => off(), { order: 'pre' });
          const off = ctx.on(hook, later);
          ctx.on('message', () => {});
        }),
      ],
    });
    await kernel.start();
    await kernel.dispatch(message());
    await kernel.stop();
    expect(later).not.toHaveBeenCalled();
  },
);

it('calls a message handler that was added while messages were already handled', async () => {
  const added = vi.fn();
  const kernel = kernelOf({
    plugins: [
      plugin('a', (ctx) => {
        ctx.on('message', ({ message: { content } }) => {
          if (content === 'add') ctx.on('message', (delivery) => added(delivery.message.content));
        });
      }),
    ],
  });
  await kernel.start();
  await kernel.dispatch(message({ content: 'add' }));
  await kernel.dispatch(message({ content: 'next' }));
  expect(added.mock.calls).toEqual([['next']]);
});

it('takes handlers for a hook until it begins, and refuses them from then on', async () => {
  const sequence: string[] = [];
  const refusals: unknown[] = [];
  const late = plugin('late', (ctx) => {
    const add = (hook: HookName) => {
      try {
        ctx.on(hook, () => void sequence.push(`${hook} runs`));
        sequence.push(`${hook} added`);
      } catch (error) {
        refusals.push(error);
      }
    };
    ctx.on('init', () => {
      for (const hook of ['init', 'start'] as const) add(hook);
    });
    ctx.on('start', () => {
      for (const hook of ['start', 'stop'] as const) add(hook);
    });
    ctx.on('stop', () => {
      for (const hook of ['stop', 'message'] as const) add(hook);
    });
  });
  const kernel = kernelOf({ plugins: [late] });
  await kernel.start();
  await kernel.stop();
  expect(sequence).toEqual(['start added', 'stop added', 'start runs', 'stop runs']);
  expect(refusals).toMatchObject(
    (
      [
        ['init', 'init'],
        ['start', 'start'],
        ['stop', 'stop'],
        ['message', 'stop'],
      ] as const
    ).map(([hook, begun]) => ({
      code: 'E_KERNEL_STATE',
      message: `late: a handler for "${hook}" was added after "${begun}" had begun`,
      hint: `Add "${hook}" handlers in setup.`,
      plugin: 'late',
    })),
  );
});

it('still runs a stop handler that a message handler adds while the kernel drains', async () => {
  const { passed, open } = gate();
  const stop = vi.fn();
  let handling = () => {};
  const begun = new Promise<void>((resolve) => {
    handling = resolve;
  });
  const worker = plugin('worker', (ctx) =>
    ctx.on('message', async (_delivery: Delivery) => {
      handling();
      await passed;
      ctx.on('stop', stop);
    }),
  );
  const kernel = kernelOf({ plugins: [worker] });
  await kernel.start();
  const dispatched = kernel.dispatch(message());
  await begun;
  const stopped = kernel.stop();
  open();
  expect(await stopped).toMatchObject({ ok: true, drained: true });
  expect(await dispatched).toEqual({ status: 'done' });
  expect(stop).toHaveBeenCalledOnce();
});

function entry(hook: HookName, name: string, band: Band = 'normal'): HookEntry {
  return { plugin: name, hook, band, nth: 1, handler: () => {}, timeoutMs: undefined, active: true };
}

async function pass(hooks: Hooks, hook: HookName): Promise<string[]> {
  const called: string[] = [];
  await hooks.run(hook, undefined, { invoke: async ({ plugin: name }) => void called.push(name) });
  return called;
}

it("puts the kernel's own steps around everything of a plugin", async () => {
  const hooks = new Hooks();
  for (const band of ['last', 'post', 'normal', 'pre', 'first'] as const)
    for (const position of [1, 0]) hooks.add(entry('init', `${position} ${band}`, band), position);
  expect(await pass(hooks, 'init')).toEqual([
    ...['0 first', '0 pre', '0 normal', '0 post', '0 last'],
    ...['1 first', '1 pre', '1 normal', '1 post', '1 last'],
  ]);
});

it('awaits each handler of a pass, and ends the pass with the first rejection', async () => {
  const hooks = new Hooks();
  const called: string[] = [];
  for (const name of ['a', 'b', 'c']) hooks.add(entry('init', name), 0);
  const error = await rejection(
    hooks.run('init', undefined, {
      async invoke({ plugin: name }) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        called.push(name);
        if (name === 'b') throw new Error('b failed');
      },
    }),
  );
  expect(error).toMatchObject({ message: 'b failed' });
  expect(called).toEqual(['a', 'b']);
});

it('goes on with the handlers it began with when the set changes during a pass', async () => {
  const hooks = new Hooks();
  const called: string[] = [];
  hooks.add(entry('message', 'a'), 0);
  const remove = hooks.add(entry('message', 'b'), 1);
  await hooks.run('message', undefined, {
    async invoke(one) {
      remove();
      hooks.add(entry('message', 'late'), 2);
      called.push(`${one.plugin} ${one.active}`);
    },
  });
  expect(called).toEqual(['a true', 'b false']);
  expect(await pass(hooks, 'message')).toEqual(['a', 'late', 'late']);
});

it('does not count a handler that only looks first as one that handles messages', () => {
  const hooks = new Hooks();
  hooks.add(entry('message', 'filter', 'pre'), 0);
  expect(hooks.handlesMessages).toBe(false);
  const remove = hooks.add(entry('message', 'last', 'post'), 1);
  expect(hooks.handlesMessages).toBe(true);
  remove();
  expect(hooks.handlesMessages).toBe(false);
});
