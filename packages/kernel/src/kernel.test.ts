import { CleoError, services } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { expect, it, vi } from 'vitest';
import { createKernel, KernelError } from './index.ts';
import { define, gate, kernelOf, message, never, plugin, recordLogs, rejection } from './kernel.test.kit.ts';

it('goes from new over ready to running, and ends stopped', async () => {
  const kernel = kernelOf({ plugins: [plugin('a')] });
  expect(kernel.state).toBe('new');
  await kernel.prepare();
  expect(kernel.state).toBe('ready');
  const starting = kernel.start();
  expect(kernel.state).toBe('starting');
  await starting;
  expect(kernel.state).toBe('running');
  const stopping = kernel.stop();
  expect(kernel.state).toBe('stopping');
  await stopping;
  expect(kernel.state).toBe('stopped');
});

it('prepares once, without running any handler', async () => {
  const setup = vi.fn();
  const init = vi.fn();
  const kernel = kernelOf({
    plugins: [
      plugin('a', (ctx) => {
        setup();
        ctx.on('init', init);
      }),
    ],
  });
  await Promise.all([kernel.prepare(), kernel.prepare()]);
  expect(setup).toHaveBeenCalledOnce();
  expect(init).not.toHaveBeenCalled();
  await kernel.start();
  expect(setup).toHaveBeenCalledOnce();
  expect(init).toHaveBeenCalledOnce();
});

it('starts with nothing in it', async () => {
  const kernel = kernelOf({});
  await kernel.start();
  expect(await kernel.stop()).toMatchObject({ ok: true, drained: true });
});

it('refuses a second start, whatever became of the first', async () => {
  const kernel = kernelOf({ plugins: [plugin('a')] });
  const first = kernel.start();
  expect(await rejection(kernel.start())).toMatchObject({
    code: 'E_KERNEL_STATE',
    message: 'start() was called on a kernel that is starting',
    hint: 'Make a new kernel with createKernel for each start.',
  });
  await first;
  expect(await rejection(kernel.start())).toMatchObject({
    message: expect.stringMatching(/that is running$/),
  });
  await kernel.stop();
  expect(await rejection(kernel.start())).toMatchObject({
    message: expect.stringMatching(/that is stopped$/),
  });
});

it('stops before it started, and cannot be started or prepared after that', async () => {
  const setup = vi.fn();
  const kernel = kernelOf({ plugins: [plugin('a', setup)] });
  expect(await kernel.stop()).toMatchObject({ ok: true, drained: true, released: [], forced: [] });
  expect(await rejection(kernel.start())).toMatchObject({ code: 'E_KERNEL_STATE' });
  expect(await rejection(kernel.prepare())).toMatchObject({ code: 'E_KERNEL_STATE' });
  expect(setup).not.toHaveBeenCalled();
});

it('takes down what was prepared and never started', async () => {
  const sequence: string[] = [];
  const kernel = kernelOf({
    plugins: [
      plugin('a', (ctx) => {
        ctx.defer(() => void sequence.push('deferred'));
        ctx.on('stop', () => void sequence.push('stop'));
      }),
    ],
  });
  const prepared = kernel.prepare();
  expect(await kernel.stop()).toMatchObject({ ok: true });
  await prepared;
  expect(sequence).toEqual(['deferred']);
  expect(kernel.state).toBe('stopped');
});

it('answers the same report however often it is stopped', async () => {
  const stop = vi.fn();
  const kernel = kernelOf({ plugins: [plugin('a', (ctx) => ctx.on('stop', stop))] });
  await kernel.start();
  const [first, second] = await Promise.all([kernel.stop('one'), kernel.stop('two')]);
  expect(second).toBe(first);
  expect(await kernel.stop('three')).toBe(first);
  expect(first.reason).toBe('one');
  expect(stop).toHaveBeenCalledExactlyOnceWith('one');
});

it('says after a failed start why its plugins were ended', async () => {
  const reasons: string[] = [];
  const kernel = kernelOf({
    plugins: [
      plugin('a', (ctx) => ctx.on('stop', (reason) => void reasons.push(reason))),
      plugin('b', (ctx) => ctx.on('start', () => Promise.reject(new Error('no')))),
    ],
  });
  await rejection(kernel.start());
  expect(await kernel.stop()).toMatchObject({ reason: 'failed start', ok: true });
  expect(reasons).toEqual(['failed start']);
});

it('stops at the end of an `await using` block', async () => {
  const stop = vi.fn();
  const kernel = kernelOf({ plugins: [plugin('a', (ctx) => ctx.on('stop', stop))] });
  await kernel.start();
  await kernel[Symbol.asyncDispose]();
  expect(stop).toHaveBeenCalledOnce();
  expect(kernel.state).toBe('stopped');
});

it('describes itself: plugins in order, services, hooks, tasks and the time each phase took', async () => {
  const kernel = kernelOf({
    agent: 'me',
    transport: new MockTransport(),
    plugins: [
      define({
        name: 'worker',
        version: '2.1.0',
        requires: { inbox: services.inbox },
        optional: { realtime: services.realtime },
        setup(ctx) {
          ctx.on('start', () =>
            ctx.task('watch', (signal) => new Promise((r) => (signal.onabort = () => r()))),
          );
          ctx.on('message', () => {});
          ctx.on('message', () => {}, { order: 'pre' });
        },
      })(),
    ],
  });
  await kernel.start();
  expect(kernel.describe()).toEqual({
    state: 'running',
    handlesMessages: true,
    plugins: [
      {
        name: 'transport:mock',
        version: '0.0.0',
        requires: ['agent'],
        optional: [],
        provides: ['transport'],
        hooks: { init: 1 },
        tasks: [],
        ms: { setup: expect.any(Number), init: expect.any(Number) },
      },
      {
        name: 'worker',
        version: '2.1.0',
        requires: ['inbox'],
        optional: ['realtime'],
        provides: [],
        hooks: { start: 1, message: 2 },
        tasks: [{ name: 'watch', state: 'running', restarts: 0 }],
        ms: { setup: expect.any(Number), start: expect.any(Number) },
        messages: { count: 0 },
      },
    ],
    services: [
      { id: 'inbox', provider: 'kernel' },
      { id: 'journal', provider: 'kernel' },
      { id: 'agent', provider: 'kernel' },
      { id: 'transport', provider: 'transport:mock' },
    ],
  });
});

it('connects a plain transport with what is known of the agent, and gives its own error as the cause', async () => {
  const transport = new MockTransport();
  const connect = vi.spyOn(transport, 'connect');
  const agent = { id: 'me', apiKey: 'sk_test', apiBaseUrl: 'https://dock.example' };
  const kernel = kernelOf({ agent, transport });
  await kernel.start();
  expect(connect).toHaveBeenCalledWith({
    agentId: 'me',
    apiKey: 'sk_test',
    apiBaseUrl: 'https://dock.example',
    agent: expect.objectContaining({ id: 'me' }),
  });
  await kernel.stop();
  expect(transport.connected).toBe(false);

  const unreachable = new MockTransport();
  const cause = new CleoError('E_TRANSPORT_UNREACHABLE', 'connect ECONNREFUSED');
  unreachable.failNext('connect', cause);
  expect(await rejection(kernelOf({ agent, transport: unreachable }).start())).toMatchObject({
    code: 'E_PLUGIN_FAILED',
    message: 'transport:mock failed in init: connect ECONNREFUSED',
    plugin: 'transport:mock',
    cause,
  });
});

it('disconnects a transport whose connect never settled', async () => {
  const transport = new MockTransport();
  transport.connect = never;
  const disconnect = vi.spyOn(transport, 'disconnect');
  const kernel = kernelOf({ agent: 'me', transport, timeouts: { initMs: 10 } });
  expect(await rejection(kernel.start())).toMatchObject({
    code: 'E_PLUGIN_TIMEOUT',
    plugin: 'transport:mock',
  });
  expect(disconnect).toHaveBeenCalledOnce();
});

it('refuses a configuration that names another agent than the credential', async () => {
  const store = define({
    name: 'store',
    provides: [services.agent],
    setup: (ctx) => ctx.provide(services.agent, { id: 'other' } as never),
  });
  const sequence: string[] = [];
  const ending = plugin('ending', (ctx) => ctx.on('stop', () => void sequence.push('stop')));
  const kernel = kernelOf({ agent: 'me', plugins: [store(), ending] });
  expect(await rejection(kernel.start())).toMatchObject({
    code: 'E_AGENT_MISMATCH',
    message: 'the configuration names agent "me", the credential is of "other"',
    hint: 'Name the same agent in both places, or in one only.',
  });
  expect(sequence).toEqual(['stop']);
});

it('says once that without a journal plugin nothing outlives the process', async () => {
  const log = recordLogs();
  await kernelOf({ logger: log.logger }).start();
  expect(log.at('info').filter((line) => line.includes('journal'))).toHaveLength(1);
});

it('writes warnings to stderr when nobody gave it a logger', async () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const kernel = createKernel({
    plugins: [
      plugin('chatty', (ctx) => {
        const loop: Record<string, unknown> = {};
        loop.itself = loop;
        ctx.logger.info('not this');
        ctx.logger.warn('careful', { loop, many: 3n });
      }),
    ],
  });
  await kernel.start();
  await kernel.stop();
  expect(write.mock.calls.map(([line]) => line)).toEqual([
    expect.stringMatching(/^cleo warn: careful .*chatty.*\n$/),
  ]);
  write.mockRestore();
});

it('refuses inbox options and deadlines that would make it deaf', () => {
  const refusal = (config: object) => {
    try {
      createKernel(config);
    } catch (error) {
      return error;
    }
    throw new Error('it was taken');
  };
  expect(refusal({ inbox: { concurrency: 0 } })).toMatchObject({
    code: 'E_CONFIG_INVALID',
    message: 'inbox.concurrency: expected a whole number from 1 to 10000, got 0',
  });
  expect(refusal({ timeouts: { stopMs: Number.POSITIVE_INFINITY } })).toMatchObject({
    code: 'E_CONFIG_INVALID',
    message: expect.stringMatching(/^timeouts\.stopMs: expected a whole number of milliseconds/),
  });
});

it('recognises its errors by their mark, whichever copy of the package made them', () => {
  const error = new KernelError('E_PLUGIN_FAILED', 'no', { plugin: 'a', phase: 'init', cause: 1 });
  const copy = Object.assign(Object.create(null), { code: 'E_PLUGIN_FAILED', message: 'no' });
  copy[Symbol.for('@cleocode/error')] = true;
  expect(KernelError.is(error, 'E_PLUGIN_FAILED')).toBe(true);
  expect(KernelError.is(copy)).toBe(true);
  expect(KernelError.is(error, 'E_PLUGIN_TIMEOUT')).toBe(false);
  expect(KernelError.is(new CleoError('E_STORAGE_FULL', 'full'))).toBe(false);
  expect(KernelError.is(new Error('E_PLUGIN_FAILED'))).toBe(false);
});

it('hands a dispatched message to the handlers and answers how it ended', async () => {
  const kernel = kernelOf({
    plugins: [
      plugin('worker', (ctx) =>
        ctx.on('message', (delivery) => {
          if (delivery.message.content === 'drop') delivery.drop('not mine');
          if (delivery.message.content === 'fail') throw new Error('cannot');
        }),
      ),
    ],
    inbox: { maxAttempts: 1 },
  });
  await kernel.start();
  const same = message();
  expect(await kernel.dispatch(same)).toEqual({ status: 'done' });
  expect(await kernel.dispatch(same)).toEqual({ status: 'known' });
  expect(await kernel.dispatch(message({ content: 'drop' }))).toEqual({
    status: 'dropped',
    plugin: 'worker',
    reason: 'not mine',
  });
  expect(await kernel.dispatch(message({ content: 'fail' }))).toEqual({
    status: 'dead',
    error: 'worker: cannot',
    attempts: 1,
  });
});

it('refuses a dispatch it cannot take, and takes the next one when there is room', async () => {
  const { passed, open } = gate();
  const kernel = kernelOf({
    plugins: [plugin('slow', (ctx) => ctx.on('message', () => passed))],
    inbox: { capacity: 1 },
  });
  expect(await rejection(kernel.dispatch(message({ id: 'early' })))).toMatchObject({
    code: 'E_KERNEL_STATE',
    message: 'message early was not taken: the kernel is not running',
  });
  await kernel.start();
  const taken = message();
  const first = kernel.dispatch(taken);
  expect(await rejection(kernel.dispatch(taken))).toMatchObject({
    code: 'E_KERNEL_STATE',
    message: `message ${taken.id} was not taken: it is in flight already`,
  });
  expect(await rejection(kernel.dispatch(message({ id: 'much' })))).toMatchObject({
    code: 'E_KERNEL_STATE',
    message: 'message much was not taken: the inbox is full',
    hint: 'Wait for room with inbox.waitForRoom, and try again.',
  });
  open();
  expect(await first).toEqual({ status: 'done' });
  expect(await kernel.dispatch(message())).toEqual({ status: 'done' });
});

it('refuses to dispatch the own message of the agent, and what is no message', async () => {
  const kernel = kernelOf({ agent: 'me', plugins: [plugin('any', (ctx) => ctx.on('message', () => {}))] });
  await kernel.start();
  expect(await rejection(kernel.dispatch(message({ id: 'own', from: 'me' })))).toMatchObject({
    code: 'E_KERNEL_STATE',
    message: 'message own was not taken: it is from this agent itself',
  });
  expect(await rejection(kernel.dispatch(message({ id: 'odd', content: 5 as never })))).toMatchObject({
    code: 'E_KERNEL_STATE',
    message: 'message odd was not taken: it has no id, sender or text content',
  });
});

it('rejects the dispatches that a stop leaves unfinished', async () => {
  const kernel = kernelOf({
    plugins: [plugin('stuck', (ctx) => ctx.on('message', never))],
    timeouts: { drainMs: 5 },
  });
  await kernel.start();
  const running = rejection(kernel.dispatch(message({ id: 'running', threadId: 'one' })));
  const waiting = rejection(kernel.dispatch(message({ id: 'waiting', threadId: 'one' })));
  expect(await kernel.stop()).toMatchObject({
    drained: false,
    released: [{ messageId: 'running' }],
    ok: true,
  });
  expect(await running).toMatchObject({
    code: 'E_KERNEL_STATE',
    message: 'the kernel stopped before message running was finished',
  });
  expect(await waiting).toMatchObject({ message: 'the kernel stopped before message waiting was finished' });
});
