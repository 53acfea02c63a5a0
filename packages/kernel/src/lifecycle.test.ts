import { defineService } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { expect, it, vi } from 'vitest';
import type { Plugin } from './index.ts';
import { define, gate, kernelOf, never, plugin, recordLogs, rejection, until } from './kernel.test.kit.ts';

const disk = defineService<object>('disk');
const cache = defineService<object>('cache');

/** A plugin that writes down everything the kernel does with it. */
function witness(sequence: string[], name: string, parts: Parameters<typeof define>[0] = {}): Plugin {
  return define({
    name,
    ...parts,
    setup(ctx) {
      sequence.push(`${name} setup`);
      for (const ref of parts.provides ?? []) ctx.provide(ref, {});
      ctx.on('init', () => void sequence.push(`${name} init`));
      ctx.on('start', () => void sequence.push(`${name} start`));
      ctx.on('stop', (reason) => void sequence.push(`${name} stop (${reason})`));
      ctx.defer(() => void sequence.push(`${name} deferred`));
      ctx.signal.addEventListener('abort', () => sequence.push(`${name} aborted`));
    },
  })();
}

it('sets up, inits and starts in plugin order, and stops in the exact reverse', async () => {
  const sequence: string[] = [];
  const kernel = kernelOf({
    plugins: [
      witness(sequence, 'c', { requires: { cache } }),
      witness(sequence, 'b', { requires: { disk }, provides: [cache] }),
      witness(sequence, 'a', { provides: [disk] }),
      witness(sequence, 'd'),
    ],
  });
  await kernel.start();
  await kernel.stop('enough');
  expect(sequence).toEqual([
    ...['a setup', 'b setup', 'c setup', 'd setup'],
    ...['a init', 'b init', 'c init', 'd init'],
    ...['a start', 'b start', 'c start', 'd start'],
    ...['d aborted', 'd stop (enough)', 'd deferred'],
    ...['c aborted', 'c stop (enough)', 'c deferred'],
    ...['b aborted', 'b stop (enough)', 'b deferred'],
    ...['a aborted', 'a stop (enough)', 'a deferred'],
  ]);
});

it('waits for each handler before it calls the next', async () => {
  const sequence: string[] = [];
  const slow = (name: string) =>
    plugin(name, (ctx) => {
      for (const hook of ['init', 'start', 'stop'] as const)
        ctx.on(hook, async () => {
          sequence.push(`${name} ${hook} begins`);
          await new Promise((resolve) => setTimeout(resolve, 2));
          sequence.push(`${name} ${hook} ends`);
        });
    });
  const kernel = kernelOf({ plugins: [slow('a'), slow('b')] });
  await kernel.start();
  await kernel.stop();
  const steps = (name: string, hook: string) => [`${name} ${hook} begins`, `${name} ${hook} ends`];
  expect(sequence).toEqual([
    ...[...steps('a', 'init'), ...steps('b', 'init'), ...steps('a', 'start'), ...steps('b', 'start')],
    ...[...steps('b', 'stop'), ...steps('a', 'stop')],
  ]);
});

it('connects the transport before the plugins that need it and disconnects it last', async () => {
  const sequence: string[] = [];
  const transport = new MockTransport();
  transport.connect = async () => void sequence.push('connect');
  transport.disconnect = async () => void sequence.push('disconnect');
  const kernel = kernelOf({ agent: 'me', transport, plugins: [witness(sequence, 'a')] });
  await kernel.start();
  await kernel.stop();
  expect(sequence.filter((step) => /connect|init|stop/.test(step))).toEqual([
    'connect',
    'a init',
    'a stop (requested)',
    'disconnect',
  ]);
});

it('runs what was deferred last added first, after the stop handlers and the tasks', async () => {
  const sequence: string[] = [];
  const kernel = kernelOf({
    plugins: [
      plugin('a', (ctx) => {
        ctx.defer(() => void sequence.push('deferred in setup'));
        ctx.on('init', () => ctx.defer(async () => void sequence.push('deferred in init')));
        ctx.on('start', () => {
          ctx.defer(() => void sequence.push('deferred in start'));
          ctx.task('work', async (signal) => {
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
            await new Promise((resolve) => setTimeout(resolve, 2));
            sequence.push('task ended');
          });
        });
        ctx.on('stop', () => void sequence.push('stop handler'));
      }),
    ],
  });
  await kernel.start();
  await kernel.stop();
  expect(sequence).toEqual([
    'stop handler',
    'task ended',
    'deferred in start',
    'deferred in init',
    'deferred in setup',
  ]);
});

it('runs at once what a plugin defers after its end, and logs what that throws', async () => {
  const log = recordLogs();
  const { passed, open } = gate();
  const opened = { connection: true, other: true };
  const late = plugin('late', (ctx) => {
    ctx.on(
      'init',
      async () => {
        await passed;
        ctx.defer(() => {
          opened.other = false;
          throw new Error('already closed');
        });
        ctx.defer(async () => {
          opened.connection = false;
        });
      },
      { timeoutMs: 5 },
    );
  });
  const kernel = kernelOf({ plugins: [late], logger: log.logger });
  await rejection(kernel.start());
  open();
  await until(() => !opened.connection && !opened.other);
  await vi.waitFor(() =>
    expect(log.records).toContainEqual({
      level: 'error',
      message: 'a late clean-up failed',
      fields: { plugin: 'late', error: 'already closed' },
    }),
  );
});

for (const hook of ['init', 'start'] as const) {
  it(`names the plugin that hangs in ${hook} at its deadline`, async () => {
    const kernel = kernelOf({
      plugins: [plugin('fine'), plugin('stuck', (ctx) => ctx.on(hook, never))],
      timeouts: { [`${hook}Ms`]: 10 },
    });
    expect(await rejection(kernel.start())).toMatchObject({
      code: 'E_PLUGIN_TIMEOUT',
      message: `stuck did not finish ${hook} within 10 ms`,
      hint: `Look at what stuck waits for, or raise timeouts.${hook}Ms.`,
      plugin: 'stuck',
      phase: hook,
      others: [],
    });
  });
}

it('names the plugin that hangs in stop at its deadline, and ends the others', async () => {
  const sequence: string[] = [];
  const stuck = plugin('stuck', (ctx) => {
    ctx.on('stop', never);
    ctx.defer(() => void sequence.push('stuck deferred'));
  });
  const kernel = kernelOf({ plugins: [witness(sequence, 'a'), stuck], timeouts: { stopMs: 10 } });
  await kernel.start();
  const report = await kernel.stop();
  expect(report).toEqual({
    reason: 'requested',
    drained: true,
    released: [],
    forced: [{ plugin: 'stuck', phase: 'stop', error: 'stuck did not finish stop within 10 ms' }],
    ok: false,
    durationMs: expect.any(Number),
  });
  expect(report.durationMs).toBeLessThan(4_000);
  expect(sequence.slice(-4)).toEqual(['stuck deferred', 'a aborted', 'a stop (requested)', 'a deferred']);
});

it("takes a handler's own deadline instead of the kernel's", async () => {
  const patient = plugin('patient', (ctx) => {
    ctx.on('init', () => new Promise((resolve) => setTimeout(resolve, 30)), { timeoutMs: 5_000 });
    ctx.on('start', never, { timeoutMs: 15 });
  });
  const kernel = kernelOf({ plugins: [patient], timeouts: { initMs: 5, startMs: 60_000 } });
  expect(await rejection(kernel.start())).toMatchObject({
    code: 'E_PLUGIN_TIMEOUT',
    message: 'patient did not finish start within 15 ms',
  });
});

it('names a task and a deferred clean-up that do not end', async () => {
  const kernel = kernelOf({
    plugins: [
      plugin('stuck', (ctx) => {
        ctx.defer(never);
        ctx.on('start', () => ctx.task('listen', never));
      }),
    ],
    timeouts: { stopMs: 10 },
  });
  await kernel.start();
  const { ok, forced } = await kernel.stop();
  expect(ok).toBe(false);
  expect(forced).toEqual([
    { plugin: 'stuck', phase: 'stop', error: 'stuck: task "listen" did not end within 10 ms of the stop' },
    {
      plugin: 'stuck',
      phase: 'stop',
      error: 'stuck: a deferred clean-up did not end within 10 ms of the stop',
    },
  ]);
});

it('ends every plugin even when each of them fails, and reports them all', async () => {
  const log = recordLogs();
  const failing = (name: string) =>
    plugin(name, (ctx) => {
      ctx.on('stop', () => {
        throw new Error(`${name} cannot stop`);
      });
      ctx.on('stop', () => Promise.reject('neither can this'));
      ctx.defer(() => {
        throw new Error(`${name} cannot clean up`);
      });
    });
  const kernel = kernelOf({ plugins: [failing('a'), failing('b')], logger: log.logger });
  await kernel.start();
  const { ok, forced } = await kernel.stop();
  expect(ok).toBe(false);
  expect(forced.map(({ error }) => error)).toEqual([
    'b failed in stop: b cannot stop',
    'b failed in stop: neither can this',
    'b failed in stop: b cannot clean up',
    'a failed in stop: a cannot stop',
    'a failed in stop: neither can this',
    'a failed in stop: a cannot clean up',
  ]);
  expect(log.at('error')).toEqual(Array(6).fill('a plugin did not end cleanly'));
});

it('throws the first failure of a start with its cause, and rolls back in reverse what had begun', async () => {
  const sequence: string[] = [];
  const cause = new Error('no such table');
  const broken = plugin('broken', (ctx) => {
    ctx.on('init', () => ctx.defer(() => void sequence.push('broken deferred')));
    ctx.on('init', () => Promise.reject(cause));
    ctx.on('stop', () => void sequence.push('broken stop'));
  });
  const kernel = kernelOf({ plugins: [witness(sequence, 'a'), broken, witness(sequence, 'c')] });
  expect(await rejection(kernel.start())).toMatchObject({
    code: 'E_PLUGIN_FAILED',
    message: 'broken failed in init: no such table',
    plugin: 'broken',
    phase: 'init',
    cause,
    others: [],
  });
  expect(kernel.state).toBe('failed');
  // `c` had no init and `broken` did not finish its own: their stop handlers are not owed, their ledgers are.
  expect(sequence).toEqual([
    ...['a setup', 'c setup', 'a init'],
    ...['c aborted', 'c deferred'],
    'broken deferred',
    ...['a aborted', 'a stop (failed start)', 'a deferred'],
  ]);
});

it('attaches to the first error of a failed start what failed while it was rolled back', async () => {
  const first = new Error('first');
  const second = new Error('second');
  const kernel = kernelOf({
    plugins: [
      plugin('a', (ctx) => ctx.on('stop', () => Promise.reject(second))),
      plugin('b', (ctx) => ctx.on('stop', never)),
      plugin('c', (ctx) => ctx.on('start', () => Promise.reject(first))),
    ],
    timeouts: { stopMs: 10 },
  });
  expect(await rejection(kernel.start())).toMatchObject({
    code: 'E_PLUGIN_FAILED',
    message: 'c failed in start: first',
    cause: first,
    others: [
      { code: 'E_PLUGIN_TIMEOUT', message: 'b did not finish stop within 10 ms', plugin: 'b' },
      { code: 'E_PLUGIN_FAILED', message: 'a failed in stop: second', plugin: 'a', cause: second },
    ],
  });
  const { ok, forced } = await kernel.stop();
  expect(ok).toBe(false);
  expect(forced.map((one) => one.plugin)).toEqual(['b', 'a']);
});

it('takes down what was put up in setup when a later setup fails', async () => {
  const sequence: string[] = [];
  const broken = plugin('broken', () => {
    throw new Error('bad wiring');
  });
  const kernel = kernelOf({ plugins: [witness(sequence, 'a'), broken] });
  expect(await rejection(kernel.start())).toMatchObject({
    code: 'E_PLUGIN_FAILED',
    message: 'broken failed in setup: bad wiring',
    plugin: 'broken',
    phase: 'setup',
  });
  expect(sequence).toEqual(['a setup', 'a aborted', 'a deferred']);
});

it('ends plugins whose init finished while a stop was asked for', async () => {
  const sequence: string[] = [];
  const { passed, open } = gate();
  const slow = plugin('slow', (ctx) => {
    ctx.on('init', async () => {
      sequence.push('slow init begins');
      await passed;
      sequence.push('slow init ends');
    });
    ctx.on('stop', (reason) => void sequence.push(`slow stop (${reason})`));
  });
  const kernel = kernelOf({ plugins: [slow, witness(sequence, 'b')] });
  const started = rejection(kernel.start());
  await until(() => sequence.includes('slow init begins'));
  const stopped = kernel.stop('changed my mind');
  open();
  expect(await started).toMatchObject({
    code: 'E_KERNEL_STATE',
    message: 'stopped while starting: changed my mind',
  });
  expect(await stopped).toMatchObject({ reason: 'changed my mind', ok: true, forced: [] });
  expect(sequence).toEqual([
    ...['b setup', 'slow init begins', 'slow init ends'],
    ...['b aborted', 'b deferred'],
    'slow stop (changed my mind)',
  ]);
  expect(kernel.state).toBe('stopped');
});

it('reports the plugins that hung when a stop cut a start short', async () => {
  const begun = gate();
  const { passed, open } = gate();
  const stuck = plugin('stuck', (ctx) => {
    ctx.on('init', () => {
      begun.open();
      return passed;
    });
    ctx.on('stop', never);
  });
  const kernel = kernelOf({ plugins: [stuck], timeouts: { stopMs: 10 } });
  const started = rejection(kernel.start());
  await begun.passed;
  const stopped = kernel.stop();
  open();
  expect(await stopped).toMatchObject({ ok: false, forced: [{ plugin: 'stuck', phase: 'stop' }] });
  expect(await started).toMatchObject({ code: 'E_KERNEL_STATE', others: [{ code: 'E_PLUGIN_TIMEOUT' }] });
});
