import {
  type ConduitMessage,
  defineService,
  type IntakeMonitor,
  type Realtime,
  services,
  WireError,
} from '@cleocode/contracts';
import {
  createKernel,
  createLogger,
  definePlugin,
  type Kernel,
  type LogRecord,
  type Plugin,
} from '@cleocode/kernel';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import poller, { type PollerOptions } from './index.ts';
import { GroupTransport, PushingTransport, RecordingTransport } from './transports.test.kit.ts';
import { until } from './until.test.kit.ts';

let transport: RecordingTransport;
let handled: ConduitMessage[];
let records: LogRecord[];
let kernel: Kernel | undefined;

beforeEach(() => {
  transport = new RecordingTransport();
  transport.connected = false;
  handled = [];
  records = [];
});

afterEach(async () => {
  expect(await kernel?.stop()).toMatchObject({ ok: true, forced: [] });
});

const collect = definePlugin({
  name: 'collect',
  version: '1.0.0',
  apiVersion: 1,
  setup(ctx) {
    ctx.on('message', ({ message }) => void handled.push(message));
  },
});

async function run(options: PollerOptions = {}, ...others: Plugin[]): Promise<Kernel> {
  kernel = createKernel({
    agent: 'bot',
    transport,
    plugins: [poller({ intervalMs: 20, ...options }), ...others],
    logger: createLogger('info', (record) => records.push(record)),
  });
  await kernel.start();
  return kernel;
}

const contents = () => handled.map(({ content }) => content);

it('brings the messages of the transport to the handlers of the kernel, and each is acked once', async () => {
  const sent = Array.from({ length: 300 }, (_, n) => transport.deliver({ content: String(n) }));
  await run({}, collect());
  await until(() => transport.acked.length === 300);
  expect(contents()).toEqual(sent.map(({ content }) => content));
  expect(new Set(transport.acked)).toEqual(new Set(sent.map(({ id }) => id)));
});

it('takes its defaults without options, and names the one it does not know', async () => {
  expect(await run({}, collect())).toMatchObject({ state: 'running' });
  const refused = createKernel({ agent: 'bot', transport, plugins: [poller({ interval: 5 } as never)] });
  await expect(refused.start()).rejects.toMatchObject({ code: 'E_PLUGIN_OPTIONS' });
  const bare = createKernel({
    agent: 'bot',
    transport: new RecordingTransport(),
    plugins: [poller(), collect()],
  });
  await bare.start();
  await bare.stop();
});

it('rests for a minute beside a live source, unless told otherwise', async () => {
  const { options } = poller.definition;
  expect(await options?.['~standard'].validate({})).toMatchObject({
    value: { intervalMs: 5_000, liveIntervalMs: 60_000 },
  });
});

it('tells others whether it hears: how old the proof is, how old it may be, and what is wrong', async () => {
  let monitor: IntakeMonitor | undefined;
  const listener = definePlugin({
    name: 'listener',
    version: '1.0.0',
    apiVersion: 1,
    requires: { intake: services.intake },
    setup(_ctx, _options, { intake }) {
      monitor = intake;
      expect(intake.health()).toEqual({ budgetMs: 10_020 });
    },
  });
  await run({}, collect(), listener());
  await until(() => monitor!.health().lastReceiveAgeMs !== undefined);
  expect(monitor!.health()).toMatchObject({ budgetMs: 10_024 });
  expect(monitor!.health()).not.toHaveProperty('problem');
  transport.failNext('poll', new WireError('E_RATE_LIMIT', 'slow down', { hint: 'Ask less often.' }));
  await until(() => monitor!.health().problem !== undefined);
  expect(monitor!.health().problem).toEqual({
    code: 'E_RATE_LIMIT',
    message: 'slow down',
    hint: 'Ask less often.',
  });
  await until(() => monitor!.health().problem === undefined);
});

it('logs trouble and recovery once each, with the code and the hint', async () => {
  transport.failNext('poll', new WireError('E_RATE_LIMIT', 'slow down', { hint: 'Ask less often.' }));
  await run({}, collect());
  await until(() => records.some(({ message }) => message === 'poll: works again'));
  expect(records.filter(({ fields }) => fields.part === 'poll')).toMatchObject([
    { level: 'warn', message: 'poll: slow down', fields: { code: 'E_RATE_LIMIT', hint: 'Ask less often.' } },
    { level: 'info', message: 'poll: works again', fields: { failures: 1 } },
  ]);
});

it('does not let a stuck conversation starve the others', async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const slow = definePlugin({
    name: 'slow',
    version: '1.0.0',
    apiVersion: 1,
    setup(ctx) {
      ctx.on('message', async ({ message }) => {
        if (message.threadId === 'stuck') await gate;
        handled.push(message);
      });
    },
  });
  for (let n = 0; n < 400; n++) transport.deliver({ threadId: 'stuck', content: `stuck ${n}` });
  for (let n = 0; n < 50; n++) transport.deliver({ threadId: 'free', content: `free ${n}` });
  await run({}, slow());
  await until(() => handled.length === 50);
  expect(contents()).toEqual(Array.from({ length: 50 }, (_, n) => `free ${n}`));
  release();
  await until(() => handled.length === 450);
  expect(contents().slice(50)).toEqual(Array.from({ length: 400 }, (_, n) => `stuck ${n}`));
});

it('follows groups, and keeps its place in the journal only past what is done', async () => {
  const groups = new GroupTransport();
  groups.connected = false;
  transport = groups;
  const cursors: number[] = [];
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const watch = definePlugin({
    name: 'watch',
    version: '1.0.0',
    apiVersion: 1,
    requires: { journal: services.journal },
    setup(ctx, _options, { journal }) {
      const setCursor = journal.setCursor.bind(journal);
      journal.setCursor = (name, value) => {
        cursors.push(value);
        return setCursor(name, value);
      };
      ctx.on('message', async ({ message }) => {
        await gate;
        handled.push(message);
      });
    },
  });
  await run({ groups: ['g'] }, watch());
  await until(() => cursors.length > 0);
  groups.say('g', 'chatter');
  groups.say('g', '@bot one');
  groups.say('g', '@bot two');
  await until(() => kernel!.inbox.stats().inFlight === 1);
  await until(() => cursors.at(-1) === 1);
  release();
  await until(() => cursors.at(-1) === 3);
  expect(contents()).toEqual(['@bot one', '@bot two']);
});

it('moves a group cursor past a mention that was done as another copy', async () => {
  const groups = new GroupTransport();
  groups.connected = false;
  transport = groups;
  const kernelJournal = vi.fn();
  const watch = definePlugin({
    name: 'watch',
    version: '1.0.0',
    apiVersion: 1,
    requires: { journal: services.journal },
    setup(_ctx, _options, { journal }) {
      const setCursor = journal.setCursor.bind(journal);
      journal.setCursor = (name, value) => {
        kernelJournal(value);
        return setCursor(name, value);
      };
    },
  });
  await run({ groups: ['g'] }, watch(), collect());
  transport.deliver({ content: '@bot', groupId: 'x', threadId: 'g' });
  await until(() => handled.length === 1);
  groups.say('g', '@bot', { groupId: 'x' });
  await until(() => kernelJournal.mock.lastCall?.[0] === 1);
  expect(contents()).toEqual(['@bot']);
});

describe('groupMessages: "mentions"', () => {
  it('acks group messages that do not mention the agent and gives them to no handler', async () => {
    transport.deliver({ content: 'direct' });
    transport.deliver({ content: 'for all', groupId: 'g1' });
    transport.deliver({ content: 'for @bot', groupId: 'g2' });
    await run({ groupMessages: 'mentions' }, collect());
    await until(() => transport.acked.length === 3);
    expect(contents()).toEqual(['direct', 'for @bot']);
    expect(kernel!.inbox.stats()).toMatchObject({ done: 2, dropped: 1 });
  });

  it('does not count as handling: without a handler nothing is acked', async () => {
    transport.deliver({ content: 'direct' });
    await run({ groupMessages: 'mentions' });
    await until(() => kernel!.inbox.stats().problems.length > 0);
    await until(() => transport.polls > 3);
    expect(transport.acked).toEqual([]);
    expect(kernel!.inbox.stats().problems).toMatchObject([{ code: 'no_handler' }]);
  });
});

it('pushes straight to the handlers where the transport can', async () => {
  const pushing = new PushingTransport();
  pushing.connected = false;
  transport = pushing;
  await run({ intervalMs: 60_000 }, collect());
  await until(() => pushing.polls === 1);
  pushing.deliver({ content: 'pushed' });
  await until(() => transport.acked.length === 1);
  expect({ contents: contents(), polls: pushing.polls }).toEqual({ contents: ['pushed'], polls: 1 });
});

it('slows down while the realtime service is live', async () => {
  const realtime: Realtime = { state: 'live', lastReceiveAgeMs: 0, onChange: () => () => {} };
  const stream = definePlugin({
    name: 'stream',
    version: '1.0.0',
    apiVersion: 1,
    provides: [services.realtime],
    setup: (ctx) => ctx.provide(services.realtime, realtime),
  });
  await run({}, stream(), collect());
  await until(() => transport.polls === 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(transport.polls).toBe(1);
});

it('is found by the service ids, whichever copy of the contracts defined them', () => {
  const { requires, late } = poller.definition;
  expect(Object.values({ ...requires, ...late })).toEqual(
    ['transport', 'inbox', 'agent', 'journal', 'realtime'].map((id) => defineService(id)),
  );
});
