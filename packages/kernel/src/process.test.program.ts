/** Plays one scenario after another, and prints for each what keeps the process alive once its kernel has stopped. */
import { type Journal, services } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { MemoryJournal } from './inbox/memory-journal.ts';
import { createKernel, createLogger, definePlugin, type Kernel, type KernelConfig } from './index.ts';
import { define, message, never, plugin } from './kernel.test.parts.ts';

const timeouts = { initMs: 30, startMs: 30, messageMs: 60_000, drainMs: 30, stopMs: 30 };
const failing = () => Promise.reject(new Error('cannot'));
const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));

const worker = (handler: () => unknown) => plugin('worker', (ctx) => void ctx.on('message', handler));

/** A kernel, and what is done with it between start and stop. */
const scenarios: Record<string, () => [KernelConfig, ((kernel: Kernel) => unknown)?]> = {
  'a busy run': () => [
    {
      plugins: [
        worker(() => {}),
        plugin('watcher', (ctx) => void ctx.on('start', () => ctx.task('watch', untilAborted))),
      ],
    },
    (kernel) => Promise.all([kernel.dispatch(message()), kernel.dispatch(message())]),
  ],
  'a retry that waits': () => [
    { plugins: [worker(failing)] },
    async (kernel) => {
      void kernel.dispatch(message()).catch(() => {});
      await new Promise<void>((resolve) =>
        kernel.inbox.observe(({ type }) => void (type === 'failed' && resolve())),
      );
    },
  ],
  'a handler that never settles': () => [
    { plugins: [worker(never)] },
    (kernel) => void kernel.inbox.receive([message()], { name: 'poll', ackable: true }),
  ],
  'acks that are never answered': () => {
    const transport = new MockTransport();
    transport.ack = never;
    return [
      { transport, plugins: [worker(() => {})] },
      async (kernel) => {
        kernel.inbox.receive([message()], { name: 'poll', ackable: true });
        await new Promise((resolve) => setTimeout(resolve, 20));
      },
    ];
  },
  'acks that fail': () => {
    const transport = new MockTransport();
    transport.ack = failing;
    return [
      { transport, plugins: [worker(() => {})] },
      async (kernel) => {
        kernel.inbox.receive([message()], { name: 'poll', ackable: true });
        await new Promise((resolve) => setTimeout(resolve, 20));
      },
    ];
  },
  'a journal that never answers': () => [
    { plugins: [journal({ begin: never }), worker(() => {})] },
    (kernel) => void kernel.inbox.receive([message()], { name: 'poll', ackable: true }),
  ],
  'a journal that fails': () => [
    { plugins: [journal({ done: failing }), worker(() => {})] },
    async (kernel) => {
      kernel.inbox.receive([message()], { name: 'poll', ackable: true });
      await new Promise((resolve) => setTimeout(resolve, 20));
    },
  ],
  'a task that fails again and again': () => [
    { plugins: [plugin('a', (ctx) => void ctx.on('start', () => ctx.task('watch', failing)))] },
  ],
  'handlers that fail in every way': () => [
    { plugins: [worker(failing), worker(raise), worker(() => thenable())], inbox: { maxAttempts: 1 } },
    (kernel) => kernel.dispatch(message()),
  ],
  'a setup that returns a promise': () => [{ plugins: [define({ setup: failing as never })()] }],
  'a setup that throws': () => [{ plugins: [plugin('a', raise)] }],
  'an init that rejects': () => [{ plugins: [plugin('a', (ctx) => void ctx.on('init', failing))] }],
  'an init that hangs and rejects late': () => [
    {
      plugins: [
        plugin('a', (ctx) => {
          ctx.on('init', async () => {
            await new Promise((resolve) => setTimeout(resolve, 60));
            ctx.defer(failing);
            throw new Error('too late');
          });
        }),
      ],
    },
  ],
  'a start that hangs': () => [{ plugins: [plugin('a', (ctx) => void ctx.on('start', never))] }],
  'a connection that never comes': () => {
    const transport = new MockTransport();
    transport.connect = never;
    transport.disconnect = never;
    return [{ transport }];
  },
  'everything that fails or hangs in stop': () => [
    {
      plugins: [
        plugin('a', (ctx) => {
          ctx.on('start', () => ctx.task('stuck', never));
          ctx.on('stop', failing);
          ctx.on('stop', raise);
          ctx.on('stop', never);
          ctx.defer(failing);
          ctx.defer(never);
        }),
      ],
    },
  ],
  'a stop while starting': () => [
    { plugins: [plugin('a', (ctx) => void ctx.on('init', () => new Promise((r) => setTimeout(r, 20))))] },
  ],
};

for (const name of Object.keys(scenarios)) await play(name);

async function play(name: string): Promise<void> {
  const before = process.getActiveResourcesInfo();
  const [config, meanwhile] = scenarios[name]!();
  const kernel = createKernel({
    agent: 'me',
    transport: new MockTransport(),
    timeouts,
    logger: createLogger('error', () => {}),
    ...config,
  });
  const starting = kernel.start();
  const [start] = name === 'a stop while starting' ? [] : await Promise.allSettled([starting]);
  if (start?.status === 'fulfilled') await meanwhile?.(kernel);
  const report = await kernel.stop();
  const error = await starting.catch(({ code }) => code);
  // Time for what comes late, which must do no harm either.
  await new Promise((resolve) => setTimeout(resolve, 60));
  const left = process.getActiveResourcesInfo();
  for (const resource of before) if (left.includes(resource)) left.splice(left.indexOf(resource), 1);
  console.log(JSON.stringify([name, { state: kernel.state, ok: report.ok, error, left }]));
}

function raise(): never {
  throw new Error('cannot');
}

function thenable(): unknown {
  return Object.defineProperty({}, 'then', { get: raise });
}

function journal(broken: Partial<Journal>) {
  return definePlugin({
    name: 'journal',
    version: '1.0.0',
    apiVersion: 1,
    provides: [services.journal],
    setup: (ctx) => ctx.provide(services.journal, Object.assign(new MemoryJournal(), broken)),
  })();
}
