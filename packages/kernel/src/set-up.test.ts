import * as contracts from '@cleocode/contracts';
import { defineService, services } from '@cleocode/contracts';
import { expect, it, vi } from 'vitest';
import { parseConfig } from './config/schema.ts';
import { type KernelConfig, KernelError, type Plugin, packageVersion } from './index.ts';
import { define, gate, kernelOf, never, plugin, recordLogs, rejection } from './kernel.test.kit.ts';

interface Clock {
  now(): number;
}

const clock = defineService<Clock>('@acme/clock');
const sundial: Clock = { now: () => 42 };
const clockPlugin = define({
  name: 'clock',
  provides: [clock],
  setup: (ctx) => ctx.provide(clock, sundial),
});

const failureOf = (config: KernelConfig) => rejection(kernelOf(config).start());

it('gives a plugin the services it requires, by the names it chose', async () => {
  const seen: unknown[] = [];
  const user = define({
    name: 'user',
    requires: { time: clock, inbox: services.inbox, journal: services.journal },
    setup: (_ctx, _options, deps) => void seen.push(deps),
  });
  const kernel = kernelOf({ plugins: [user(), clockPlugin()] });
  await kernel.start();
  expect(seen).toEqual([{ time: sundial, inbox: kernel.inbox, journal: expect.anything() }]);
});

it('gives an optional service when some plugin provides it, and undefined when none does', async () => {
  const setup = vi.fn();
  const user = define({ name: 'user', optional: { clock }, setup });
  await kernelOf({ plugins: [user()] }).start();
  expect(setup.mock.lastCall![2]).toEqual({ clock: undefined });
  await kernelOf({ plugins: [user(), clockPlugin()] }).start();
  expect(setup.mock.lastCall![2]).toEqual({ clock: sundial });
});

it('gives a late service as a function, and lets its user come first and end last', async () => {
  const ended: string[] = [];
  const seen: unknown[] = [];
  const user = define({
    name: 'user',
    late: { clock },
    setup(ctx, _options, deps) {
      ctx.on('init', () => void seen.push(deps.clock!()));
      ctx.on('stop', () => void ended.push('user'));
    },
  });
  const provider = define({
    name: 'clock',
    // Each uses the other: what is late makes no cycle.
    late: { inbox: services.inbox },
    provides: [clock],
    setup(ctx) {
      ctx.provide(clock, sundial);
      ctx.on('stop', () => void ended.push('clock'));
    },
  });
  const kernel = kernelOf({ plugins: [user(), provider()] });
  await kernel.start();
  expect(kernel.describe().plugins).toMatchObject([{ name: 'user', optional: ['@acme/clock'] }, {}]);
  await kernel.stop();
  expect(ended).toEqual(['clock', 'user']);
  await kernelOf({ plugins: [user()] }).start();
  expect(seen).toEqual([sundial, undefined]);
});

it('matches services by id, so that the token of a second copy of the contracts is the same service', async () => {
  const load = (file: string) => import(new URL(`../../contracts/src/${file}?copy`, import.meta.url).href);
  const copiedServices: typeof services = await load('service.ts');
  const copiedErrors: Pick<typeof contracts, 'PermanentError'> = await load('errors.ts');
  expect(copiedServices.inbox).not.toBe(services.inbox);
  expect(copiedErrors.PermanentError).not.toBe(contracts.PermanentError);
  const setup = vi.fn();
  const user = define({
    name: 'user',
    requires: { clock: copiedServices.defineService('@acme/clock'), inbox: copiedServices.inbox },
    setup,
  });
  const kernel = kernelOf({ plugins: [user(), clockPlugin()] });
  await kernel.start();
  expect(setup.mock.lastCall![2]).toEqual({ clock: sundial, inbox: kernel.inbox });

  // Errors agree too: what the other copy throws is recognised here.
  const permanent = new copiedErrors.PermanentError('never');
  const worker = plugin('worker', (ctx) => ctx.on('message', () => Promise.reject(permanent)));
  const strict = kernelOf({ plugins: [worker] });
  await strict.start();
  const ended = await strict.dispatch({ id: 'm', from: 'someone', content: '', timestamp: '' });
  expect(ended).toEqual({ status: 'dead', error: 'worker: never', attempts: 1 });
});

it('refuses a start without a service that is required, before any setup runs', async () => {
  const setup = vi.fn();
  const error = await failureOf({ plugins: [plugin('first', setup), define({ requires: { clock } })()] });
  expect(error).toMatchObject({
    code: 'E_SERVICE_MISSING',
    message: 'plugin requires the service "@acme/clock", which no plugin provides',
    plugin: 'plugin',
  });
  expect(setup).not.toHaveBeenCalled();
});

it('refuses a service that is provided twice, or by the kernel already', async () => {
  const second = define({ name: 'second', provides: [clock] });
  expect(await failureOf({ plugins: [clockPlugin(), second()] })).toMatchObject({
    code: 'E_SERVICE_DUPLICATE',
    message: 'service "@acme/clock" is provided by both clock and second',
    plugin: 'second',
  });
  const usurper = define({ name: 'usurper', provides: [services.inbox] });
  expect(await failureOf({ plugins: [usurper()] })).toMatchObject({
    code: 'E_SERVICE_DUPLICATE',
    message: 'service "inbox" is provided by both kernel and usurper',
    hint: 'Remove usurper from the plugins.',
  });
  const twice = define({
    name: 'twice',
    provides: [clock],
    setup(ctx) {
      ctx.provide(clock, sundial);
      ctx.provide(clock, sundial);
    },
  });
  expect(await failureOf({ plugins: [twice()] })).toMatchObject({
    code: 'E_SERVICE_DUPLICATE',
    message: 'service "@acme/clock" is provided by both twice and twice',
  });
});

it('refuses a service that is provided without being declared', async () => {
  const smuggler = define({ name: 'smuggler', setup: (ctx) => ctx.provide(clock, sundial) });
  expect(await failureOf({ plugins: [smuggler()] })).toMatchObject({
    code: 'E_SERVICE_UNDECLARED',
    message: 'smuggler provides the service "@acme/clock" without declaring it',
    hint: 'Add "@acme/clock" to the plugin\'s "provides".',
    plugin: 'smuggler',
    phase: 'setup',
  });
});

it('refuses a service that is provided after setup', async () => {
  const late = define({
    name: 'late',
    provides: [clock],
    setup(ctx) {
      ctx.provide(clock, sundial);
      ctx.on('init', () => ctx.provide(clock, sundial));
    },
  });
  expect(await failureOf({ plugins: [late()] })).toMatchObject({
    code: 'E_SERVICE_UNDECLARED',
    message: 'late provides the service "@acme/clock" outside setup',
    hint: 'Call ctx.provide in setup.',
  });
});

it('refuses a plugin that declares a service and does not provide it', async () => {
  expect(await failureOf({ plugins: [define({ name: 'empty', provides: [clock] })()] })).toMatchObject({
    code: 'E_SERVICE_MISSING',
    message: 'empty declares the service "@acme/clock" but did not provide it',
    plugin: 'empty',
    phase: 'setup',
  });
});

it('lets a plugin take the place of the journal and of the configured agent', async () => {
  const store = define({
    name: 'store',
    provides: [services.journal, services.agent],
    setup(ctx) {
      ctx.provide(services.journal, {} as never);
      ctx.provide(services.agent, { id: 'me' } as never);
    },
  });
  const log = recordLogs();
  const kernel = kernelOf({ agent: 'me', plugins: [store()], logger: log.logger });
  await kernel.start();
  expect(kernel.describe().services).toEqual([
    { id: 'inbox', provider: 'kernel' },
    { id: 'journal', provider: 'store' },
    { id: 'agent', provider: 'store' },
  ]);
  expect(log.at('info')).toEqual([]);
});

const here = `this kernel (${packageVersion(import.meta.url)}) speaks 1`;

it.each([
  [
    'a newer',
    2,
    `acme 3.1.0 is written for plugin API 2, ${here}`,
    'Install a newer @cleocode/kernel, or a version of acme 3.1.0 for plugin API 1.',
  ],
  [
    'an older',
    0,
    `acme 3.1.0 is written for plugin API 0, ${here}`,
    'Install a newer version of acme, for plugin API 1.',
  ],
  [
    'no',
    undefined,
    `acme 3.1.0 does not say which plugin API it is written for, ${here}`,
    'Whoever made it adds "apiVersion: 1" to its definition, a number.',
  ],
  [
    'an unreadable',
    '1',
    `acme 3.1.0 does not say which plugin API it is written for, ${here}`,
    'Whoever made it adds "apiVersion: 1" to its definition, a number.',
  ],
])(
  'refuses a plugin of %s plugin API, with both versions and what to do',
  async (_, apiVersion, message, hint) => {
    const setup = vi.fn();
    const plugin = define({ name: 'acme', version: '3.1.0', apiVersion: apiVersion as 1, setup });
    expect(await failureOf({ plugins: [clockPlugin(), plugin()] })).toMatchObject({
      code: 'E_PLUGIN_API_VERSION',
      message,
      hint,
      plugin: 'acme',
      phase: 'setup',
      details: { apiVersion, spoken: 1, kernel: packageVersion(import.meta.url) },
    });
    expect(setup).not.toHaveBeenCalled();
  },
);

it('looks at the plugin API before anything else, and at what another copy of the package made', async () => {
  const foreign = (definition: object) =>
    ({ [Symbol.for('@cleocode/plugin')]: true, definition, options: undefined }) as unknown as Plugin;
  // What a definition of that interface looks like, nobody knows.
  expect(await failureOf({ plugins: [foreign({ apiVersion: 2, id: 'acme', requires: 7 })] })).toMatchObject({
    code: 'E_PLUGIN_API_VERSION',
    message: `plugins[0] is written for plugin API 2, ${here}`,
    hint: 'Install a newer @cleocode/kernel, or a version of plugins[0] for plugin API 1.',
  });
  const setup = vi.fn();
  await kernelOf({ plugins: [foreign({ name: 'p', version: '1.0.0', apiVersion: 1, setup })] }).start();
  expect(setup).toHaveBeenCalledOnce();
});

it('says of a definition what makes it a plugin', async () => {
  const definition = { name: 'p', version: '1.0.0', apiVersion: 1, setup() {} };
  expect(await failureOf({ plugins: [definition as never] })).toMatchObject({
    code: 'E_PLUGIN_INVALID',
    message: 'plugins[0] is not a plugin',
    hint: 'It is a definition: give it to definePlugin, and call what that returns.',
  });
  expect(() => parseConfig({ plugins: [definition] }, { label: 'config' })).toThrow(
    "config: plugins[0]: expected a plugin, a name or [name, options], got a plugin's definition; make it one: definePlugin(definition)()",
  );
});

it.each([
  ['mesage', 'Did you mean "message"?'],
  ['toString', 'The hooks are init, start, message, stop.'],
])('refuses a handler for the hook "%s", which there is not', async (hook, hint) => {
  expect(
    await failureOf({ plugins: [plugin('acme', (ctx) => void ctx.on(hook as 'start', () => {}))] }),
  ).toMatchObject({
    code: 'E_PLUGIN_INVALID',
    message: `acme: there is no hook "${hook}"`,
    hint,
    plugin: 'acme',
    phase: 'setup',
  });
});

it('says of a plugin factory that it wants to be called', async () => {
  expect(await failureOf({ plugins: [false, clockPlugin as never] })).toMatchObject({
    code: 'E_PLUGIN_INVALID',
    message: 'plugins[1] is not a plugin',
    hint: 'Call it: plugins[1] is a plugin factory, as in poller({ intervalMs: 5000 }).',
  });
});

it('refuses what is no plugin, or lacks what a plugin needs', async () => {
  expect(await failureOf({ plugins: [{} as Plugin] })).toMatchObject({
    code: 'E_PLUGIN_INVALID',
    message: 'plugins[0] is not a plugin',
    hint: 'Use what definePlugin returned, called with its options.',
  });
  expect(await failureOf({ transport: 'http' as never })).toMatchObject({
    code: 'E_PLUGIN_INVALID',
    message: 'transport is not a plugin',
  });
  for (const missing of [{ name: undefined }, { name: '' }, { setup: undefined }])
    expect(await failureOf({ plugins: [define(missing as never)()] })).toMatchObject({
      code: 'E_PLUGIN_INVALID',
      message: 'plugins[0]: the definition lacks its name or its setup function',
    });
  const misspelt = define({
    name: 'misspelt',
    requires: { inbox: undefined as never },
  });
  expect(await failureOf({ plugins: [misspelt()] })).toMatchObject({
    code: 'E_PLUGIN_INVALID',
    message: 'plugins[0] (misspelt): requires.inbox is not a service',
    plugin: 'misspelt',
  });
});

it('leaves out falsy plugins and numbers the others as the configuration does', async () => {
  const kernel = kernelOf({ plugins: [false, plugin('a'), null, undefined, plugin('b')] });
  await kernel.start();
  expect(kernel.describe().plugins.map(({ name }) => name)).toEqual(['a', 'b']);
});

it('runs the same plugin twice under two names', async () => {
  const names: string[] = [];
  const twin = define({ name: 'twin', setup: (ctx) => void names.push(ctx.plugin) });
  const kernel = kernelOf({ plugins: [twin(), twin(), twin()] });
  await kernel.start();
  expect(names).toEqual(['twin', 'twin#2', 'twin#3']);
  expect(kernel.describe().plugins.map(({ name }) => name)).toEqual(names);
});

it('refuses a setup that returns a promise, and hears what that promise rejects with', async () => {
  const log = recordLogs();
  const eager = define({ name: 'eager', setup: (async () => Promise.reject(new Error('later'))) as never });
  expect(await rejection(kernelOf({ plugins: [eager()], logger: log.logger }).start())).toMatchObject({
    code: 'E_PLUGIN_INVALID',
    message: 'eager: setup returned a promise',
    hint: 'setup only declares; open connections and files in an init handler.',
    plugin: 'eager',
    phase: 'setup',
  });
  await vi.waitFor(() => expect(log.at('error')).toEqual(['setup rejected']));
});

it('names the plugin whose setup throws, whatever it throws', async () => {
  const cause = new Error('cannot');
  const thrown: [unknown, string][] = [
    [cause, 'cannot'],
    ['a string', 'a string'],
    [undefined, 'undefined'],
    [{ message: 'looks like one' }, 'looks like one'],
  ];
  for (const [value, text] of thrown) {
    const broken = plugin('broken', () => {
      throw value;
    });
    const error = await failureOf({ plugins: [broken] });
    expect(error).toMatchObject({ code: 'E_PLUGIN_FAILED', message: `broken failed in setup: ${text}` });
    expect((error as KernelError).cause).toBe(value);
  }
});

it('passes on an error of the kernel that names its plugin already', async () => {
  const own = new KernelError('E_PLUGIN_OPTIONS', 'two options exclude each other', { plugin: 'inner' });
  const outer = plugin('outer', () => {
    throw own;
  });
  expect(await failureOf({ plugins: [outer] })).toBe(own);
});

it('refuses a task in setup', async () => {
  const eager = plugin('eager', (ctx) => ctx.task('watch', never));
  expect(await failureOf({ plugins: [eager] })).toMatchObject({
    code: 'E_KERNEL_STATE',
    message: 'eager: task "watch" was started in setup',
    hint: 'Start tasks in an init or start handler.',
    plugin: 'eager',
    phase: 'setup',
  });
});

it('waits for options that are checked asynchronously', async () => {
  const { passed, open } = gate();
  const setup = vi.fn();
  const slow = define({
    name: 'slow',
    options: {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) => passed.then(() => ({ value: { given: value } })),
      },
    },
    setup,
  });
  const kernel = kernelOf({ plugins: [slow({ a: 1 })] });
  const started = kernel.start();
  open();
  await started;
  expect(setup.mock.lastCall![1]).toEqual({ given: { a: 1 } });
});
