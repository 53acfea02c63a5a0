import { services } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { describe, expect, it } from 'vitest';
import { MemoryJournal } from './inbox/memory-journal.ts';
import type { Delivery, KernelConfig, Plugin, PluginContext, PluginDefinition } from './index.ts';
import { define, kernelOf, message, never, plugin, recordLogs, rejection, until } from './kernel.test.kit.ts';

// What a plugin that is named in a configuration does wrong while its module is loaded: config/resolve-plugin.test.ts.

const broken = new Error('broken');
const raise = (): never => {
  throw broken;
};
const reject = () => Promise.reject(broken);
const raiseText = (): never => {
  throw 'no error at all';
};
const rejectNothing = () => Promise.reject(undefined);
const MS = 15;
const timeouts = { initMs: MS, startMs: MS, messageMs: MS, drainMs: MS, stopMs: MS };

/** A plugin that does everything as it should, and writes it down. */
function good(name: string, seen: string[]): Plugin {
  return plugin(name, (ctx) => {
    for (const hook of ['init', 'start', 'stop'] as const)
      ctx.on(hook, () => void seen.push(`${name} ${hook}`));
    ctx.on('message', (delivery) => void seen.push(`${name} ${delivery.message.content}`));
    ctx.defer(() => void seen.push(`${name} closed`));
  });
}

function between(bad: Plugin, seen: string[], config: KernelConfig = {}) {
  const log = recordLogs();
  const transport = new MockTransport();
  const plugins = [good('before', seen), bad, good('after', seen)];
  const kernel = kernelOf({ agent: 'me', transport, timeouts, logger: log.logger, ...config, plugins });
  return { kernel, log, transport };
}

type Row = [fault: string, bad: (ctx: PluginContext) => unknown, wanted: object];

const failed = (phase: string, cause: unknown, text: string) => ({
  code: 'E_PLUGIN_FAILED',
  message: `bad failed in ${phase}: ${text}`,
  cause,
});
const late = (phase: string) => ({
  code: 'E_PLUGIN_TIMEOUT',
  message: `bad did not finish ${phase} within ${MS} ms`,
  hint: `Look at what bad waits for, or raise timeouts.${phase}Ms.`,
});

const inHook = (hook: 'init' | 'start'): Row[] => [
  [`throws in ${hook}`, (ctx) => ctx.on(hook, raise), failed(hook, broken, 'broken')],
  [`rejects in ${hook}`, (ctx) => ctx.on(hook, reject), failed(hook, broken, 'broken')],
  [
    `throws no error in ${hook}`,
    (ctx) => ctx.on(hook, raiseText),
    failed(hook, 'no error at all', 'no error at all'),
  ],
  [
    `rejects with nothing in ${hook}`,
    (ctx) => ctx.on(hook, rejectNothing),
    failed(hook, undefined, 'undefined'),
  ],
  [`hangs in ${hook}`, (ctx) => ctx.on(hook, never), late(hook)],
];

describe('a plugin that keeps the agent from starting is named with its phase, and what had begun is rolled back', () => {
  const rows: [phase: string, ...Row][] = [
    ['setup', 'throws in setup', raise, failed('setup', broken, 'broken')],
    ['setup', 'throws no error in setup', raiseText, failed('setup', 'no error at all', 'no error at all')],
    ['setup', 'returns a promise from setup', reject, { code: 'E_PLUGIN_INVALID' }],
    ['setup', 'starts a task in setup', (ctx) => ctx.task('early', never), { code: 'E_KERNEL_STATE' }],
    [
      'setup',
      'provides what it does not declare',
      (ctx) => ctx.provide({ id: 'x' } as never, {} as never),
      { code: 'E_SERVICE_UNDECLARED' },
    ],
    ...inHook('init').map((row): [string, ...Row] => ['init', ...row]),
    ...inHook('start').map((row): [string, ...Row] => ['start', ...row]),
  ];
  it.each(rows)('in %s: one that %s', async (phase, _fault, setup, wanted) => {
    const seen: string[] = [];
    const { kernel } = between(plugin('bad', setup as PluginDefinition['setup']), seen);
    const error = await rejection(kernel.start());
    expect(error).toMatchObject({
      plugin: 'bad',
      phase,
      hint: expect.stringMatching(/\w/),
      others: [],
      ...wanted,
    });
    expect(kernel.state).toBe('failed');
    expect(seen).toEqual(
      {
        // Nobody was set up after it.
        setup: ['before closed'],
        init: ['before init', 'after closed', 'before stop', 'before closed'],
        start: [
          ...['before init', 'after init', 'before start'],
          ...['after stop', 'after closed', 'before stop', 'before closed'],
        ],
      }[phase],
    );
  });

  const schema = (validate: () => unknown) => ({ '~standard': { version: 1, vendor: 'acme', validate } });
  it.each([
    ['throws', raise, 'plugins[1] (bad): broken'],
    ['rejects', reject, 'plugins[1] (bad): broken'],
    ['hangs', never, `plugins[1] (bad): the check did not end within ${MS} ms`],
    [
      'refuses',
      () => ({ issues: [{ message: 'too few', path: ['list', 2] }] }),
      'plugins[1] (bad).list[2]: too few',
    ],
  ])('in setup: one whose schema of options %s', async (_, validate, text) => {
    const seen: string[] = [];
    const { kernel } = between(define({ name: 'bad', options: schema(validate) as never })(), seen);
    expect(await rejection(kernel.start())).toMatchObject({
      code: 'E_PLUGIN_OPTIONS',
      message: text,
      plugin: 'bad',
      phase: 'setup',
      hint: expect.stringContaining('README'),
    });
    expect(seen).toEqual([]);
  });

  it.each([
    ['rejects', reject, { code: 'E_PLUGIN_FAILED', cause: broken }],
    ['hangs', never, { code: 'E_PLUGIN_TIMEOUT' }],
  ])('in init: a transport whose connect %s', async (_, connect, wanted) => {
    const transport = Object.assign(new MockTransport(), { connect });
    const { kernel } = between(plugin('idle'), [], { transport });
    expect(await rejection(kernel.start())).toMatchObject({
      plugin: 'transport:mock',
      phase: 'init',
      ...wanted,
    });
  });
});

describe('a plugin that fails a message is named, tried again alone, and disturbs nobody', () => {
  const settlingTwice = (ok: () => void, fail: (error: unknown) => void) => {
    fail(broken);
    ok();
  };
  const rows: [fault: string, handler: (delivery: Delivery) => unknown, error: unknown][] = [
    ['throws', raise, broken],
    ['rejects', reject, broken],
    ['throws no error', raiseText, 'no error at all'],
    ['rejects with nothing', rejectNothing, undefined],
    [
      'never settles',
      never,
      {
        code: 'E_HANDLER_TIMEOUT',
        plugin: 'bad',
        phase: 'message',
        hint: expect.stringContaining('timeoutMs'),
      },
    ],
    [
      'settles too late',
      ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
      { code: 'E_HANDLER_TIMEOUT' },
    ],
    [
      'rejects too late',
      ({ signal }) => new Promise((_, fail) => signal.addEventListener('abort', fail)),
      { code: 'E_HANDLER_TIMEOUT' },
    ],
    // biome-ignore lint/suspicious/noThenProperty: a handler may answer anything
    ['settles twice', () => ({ then: settlingTwice }), broken],
    [
      'answers with a promise that cannot be waited for',
      () => Object.defineProperty({}, 'then', { get: raise }),
      broken,
    ],
    ['sends when its time is over', late, { code: 'E_HANDLER_TIMEOUT' }],
  ];
  async function late({ signal, reply }: Delivery) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    await reply('too late');
  }

  it.each(rows)('one that %s', async (_, handler, error) => {
    const seen: string[] = [];
    const bad = plugin(
      'bad',
      (ctx) =>
        void ctx.on('message', (delivery) =>
          delivery.message.content === 'poison' ? handler(delivery) : undefined,
        ),
    );
    const { kernel, log, transport } = between(bad, seen, { inbox: { maxAttempts: 2, retryBaseMs: 1 } });
    const events: unknown[] = [];
    kernel.inbox.observe((event) => void (event.type === 'failed' && events.push(event)));
    await kernel.start();
    seen.length = 0;
    const poison = kernel.dispatch(message({ content: 'poison', threadId: 'one' }));
    const behind = kernel.dispatch(message({ content: 'behind', threadId: 'one' }));
    expect(await kernel.dispatch(message({ content: 'elsewhere', threadId: 'two' }))).toMatchObject({
      status: 'done',
    });
    expect(await poison).toMatchObject({
      status: 'dead',
      attempts: 2,
      error: expect.stringMatching(/^bad: /),
    });
    expect(await behind).toMatchObject({ status: 'done' });
    expect(events).toMatchObject([1, 2].map((attempt) => ({ plugin: 'bad', attempt, error })));
    const warned = log.records.filter(({ fields }) => fields.inboxEvent === 'failed');
    expect(warned).toMatchObject(
      [1, 2].map((attempt) => ({ level: 'warn', fields: { plugin: 'bad', attempt } })),
    );
    // Each of the others has had each message once, and no conversation but its own has waited.
    expect(seen.toSorted()).toEqual([
      ...['after behind', 'after elsewhere', 'after poison'],
      ...['before behind', 'before elsewhere', 'before poison'],
    ]);
    expect(seen.indexOf('before elsewhere')).toBeLessThan(seen.indexOf('before behind'));
    expect(kernel.state).toBe('running');
    expect(kernel.inbox.stats()).toMatchObject({ done: 2, dead: 1, problems: [] });
    const figures = kernel.describe().plugins.map(({ name, messages }) => [name, messages?.failed]);
    expect(figures).toEqual([
      ['transport:mock', undefined],
      ...[
        ['before', undefined],
        ['bad', 2],
        ['after', undefined],
      ],
    ]);
    expect(await kernel.stop()).toMatchObject({ ok: true, drained: true, forced: [] });
    expect(transport.pushed).toEqual([]);
  });
});

describe('a plugin whose task fails is named, and the task starts again', () => {
  it.each([
    ['rejects', reject, 'broken'],
    ['throws', raise, 'broken'],
    ['throws no error', raiseText, 'no error at all'],
  ])('one that %s', async (_, work, error) => {
    const seen: string[] = [];
    const { kernel, log } = between(
      plugin('bad', (ctx) => void ctx.on('start', () => ctx.task('watch', work))),
      seen,
    );
    await kernel.start();
    expect(await kernel.dispatch(message({ content: 'hello' }))).toMatchObject({ status: 'done' });
    await until(() => log.at('warn').length > 0);
    expect(log.records.find(({ level }) => level === 'warn')).toEqual({
      level: 'warn',
      message: 'task "watch" failed and starts again',
      fields: { plugin: 'bad', error, restartInMs: expect.any(Number) },
    });
    expect(kernel.describe().plugins.find(({ name }) => name === 'bad')!.tasks).toEqual([
      { name: 'watch', state: 'restarting', restarts: 1 },
    ]);
    expect(await kernel.stop()).toMatchObject({ ok: true, forced: [] });
  });
});

describe('a plugin whose journal fails is named, and its messages wait until it works', () => {
  const soon = (times: number, wrong: () => unknown) => (begin: () => unknown) => () =>
    times-- > 0 ? wrong() : begin();
  it.each([
    ['rejects', soon(1, reject), 'broken'],
    ['throws', soon(1, raise), 'broken'],
    ['throws no error', soon(1, raiseText), 'no error at all'],
  ])('one that %s', async (_, around, text) => {
    const seen: string[] = [];
    const journal = new MemoryJournal();
    journal.begin = around(journal.begin.bind(journal, 'poison')) as typeof journal.begin;
    const bad = define({
      name: 'bad',
      provides: [services.journal],
      setup: (ctx) => ctx.provide(services.journal, journal),
    })();
    const { kernel } = between(bad, seen);
    const problems: unknown[] = [];
    kernel.inbox.observe((event) => void (event.type === 'problem' && problems.push(event)));
    await kernel.start();
    expect(await kernel.dispatch(message({ id: 'poison', content: 'poison' }))).toEqual({ status: 'done' });
    const problem = {
      code: 'storage_error',
      message: `the journal of bad failed: ${text}`,
      hint: expect.stringMatching(/\w/),
    };
    expect(problems).toMatchObject([
      { ...problem, resolved: false },
      { ...problem, resolved: true },
    ]);
    expect(seen.slice(-2)).toEqual(['before poison', 'after poison']);
  });
});

describe('a plugin that does not end is named in the report, and all others end', () => {
  const onStop = (handler: () => unknown) => (ctx: PluginContext) => ctx.on('stop', handler);
  const rows: [fault: string, bad: (ctx: PluginContext) => unknown, error: string][] = [
    ['throws in stop', onStop(raise), 'bad failed in stop: broken'],
    ['rejects in stop', onStop(reject), 'bad failed in stop: broken'],
    ['throws no error in stop', onStop(raiseText), 'bad failed in stop: no error at all'],
    ['hangs in stop', onStop(never), `bad did not finish stop within ${MS} ms`],
    ['throws in what it deferred', (ctx) => ctx.defer(raise), 'bad failed in stop: broken'],
    ['rejects in what it deferred', (ctx) => ctx.defer(reject), 'bad failed in stop: broken'],
    [
      'hangs in what it deferred',
      (ctx) => ctx.defer(never),
      `bad: a deferred clean-up did not end within ${MS} ms of the stop`,
    ],
    [
      'has a task that outlives its signal',
      (ctx) => ctx.on('start', () => void ctx.task('watch', never)),
      `bad: task "watch" did not end within ${MS} ms of the stop`,
    ],
  ];
  it.each(rows)('one that %s', async (_, setup, error) => {
    const seen: string[] = [];
    const { kernel, log } = between(plugin('bad', setup as PluginDefinition['setup']), seen);
    await kernel.start();
    seen.length = 0;
    expect(await kernel.stop()).toMatchObject({
      ok: false,
      drained: true,
      forced: [{ plugin: 'bad', phase: 'stop', error }],
    });
    expect(seen).toEqual(['after stop', 'after closed', 'before stop', 'before closed']);
    expect(log.records).toContainEqual({
      level: 'error',
      message: 'a plugin did not end cleanly',
      fields: { plugin: 'bad', error, hint: expect.stringMatching(/\w/) },
    });
  });

  it('gives back the message of a handler that does not end, and names the plugin', async () => {
    const seen: string[] = [];
    const bad = plugin('bad', (ctx) => void ctx.on('message', never, { timeoutMs: 60_000 }));
    const { kernel, transport } = between(bad, seen);
    await kernel.start();
    const stuck = message({ content: 'stuck' });
    kernel.inbox.receive([stuck], { name: 'poll', ackable: true });
    await until(() => kernel.inbox.stats().inFlight === 1);
    expect(await kernel.stop()).toMatchObject({
      drained: false,
      released: [{ messageId: stuck.id, plugin: 'bad' }],
      forced: [],
    });
    expect(seen.slice(-4)).toEqual(['after stop', 'after closed', 'before stop', 'before closed']);
    expect(transport.acked).toEqual([]);
  });
});
