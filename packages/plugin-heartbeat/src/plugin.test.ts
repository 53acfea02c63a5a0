import {
  defineService,
  type IntakeHealth,
  type Realtime,
  type RealtimeState,
  services,
  type Transport,
} from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import {
  createKernel,
  createLogger,
  definePlugin,
  type Kernel,
  type LogRecord,
  type Plugin,
} from '@cleocode/kernel';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { PresenceTransport, until } from './heart.test.kit.ts';
import heartbeat, { type HeartbeatOptions, type PresenceMonitor, presence } from './index.ts';

let transport: PresenceTransport;
let records: LogRecord[];
let kernel: Kernel | undefined;
let monitor: PresenceMonitor;

beforeEach(() => {
  transport = new PresenceTransport();
  records = [];
});

afterEach(async () => {
  vi.restoreAllMocks();
  expect(await kernel?.stop()).toMatchObject({ ok: true, forced: [] });
});

const watch = definePlugin({
  name: 'watch',
  version: '1.0.0',
  apiVersion: 1,
  requires: { presence },
  setup(_ctx, _options, deps) {
    monitor = deps.presence;
  },
});

async function run(
  options: HeartbeatOptions = {},
  { others = [], over = transport }: { others?: Plugin[]; over?: Transport } = {},
): Promise<Kernel> {
  kernel = createKernel({
    agent: 'bot',
    transport: over,
    plugins: [heartbeat({ intervalMs: 100, ...options }), watch(), ...others],
    logger: createLogger('info', (record) => records.push(record)),
  });
  await kernel.start();
  return kernel;
}

const own = () => records.filter(({ fields }) => fields.plugin === '@cleocode/plugin-heartbeat');
const logged = () => own().map(({ level, message }) => `${level} ${message}`);

it('is online while the kernel runs, and offline before its transport is disconnected', async () => {
  const sequence: string[] = [];
  transport.answer = (_nth, { status }) => void sequence.push(status);
  transport.disconnect = async () => void sequence.push('disconnect');
  await run();
  expect(monitor.status()).toMatchObject({ running: true });
  await until(() => sequence.length >= 3);
  expect(new Set(sequence)).toEqual(new Set(['online']));
  await kernel!.stop();
  expect(sequence.slice(-2)).toEqual(['offline', 'disconnect']);
  expect(monitor.status()).toMatchObject({ running: false, state: 'offline' });
  expect(logged()).toEqual([]);
});

it('says offline as soon as the agent takes nothing more in, while a handler still works', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let handling = false;
  const slow = definePlugin({
    name: 'slow',
    version: '1.0.0',
    apiVersion: 1,
    requires: { inbox: services.inbox },
    setup(ctx, _options, { inbox }) {
      ctx.on('message', () => {
        handling = true;
        return released;
      });
      ctx.on('start', () => {
        const message = { id: 'm', from: 'ada', content: 'hello', timestamp: '' };
        inbox.receive([message], { name: 'test', ackable: false });
      });
    },
  });
  const told: string[] = [];
  transport.answer = (_nth, { status }) => void told.push(status);
  await run({}, { others: [slow()] });
  await until(() => handling && told.includes('online'));
  const stopped = kernel!.stop();
  await until(() => told.at(-1) === 'offline');
  release();
  await stopped;
  expect(told.filter((status) => status === 'offline')).toHaveLength(1);
});

it('takes its defaults without options, and names the one it does not know', async () => {
  const make = (plugin: Plugin) => createKernel({ agent: 'bot', transport, plugins: [plugin] });
  const bare = make(heartbeat());
  await bare.start();
  await bare.stop();
  for (const options of [{ interval: 5 }, { intervalMs: -1 }, { intervalMs: 0.5 }, { intervalMs: 2 ** 31 }])
    await expect(make(heartbeat(options as never)).start()).rejects.toMatchObject({
      code: 'E_PLUGIN_OPTIONS',
      message: expect.stringContaining('interval'),
    });
});

it('tells nobody anything at an interval of 0', async () => {
  await run({ intervalMs: 0 });
  await kernel!.stop();
  expect(transport.said).toEqual([]);
  expect(monitor.status()).toMatchObject({ running: false, state: 'off' });
});

it('is busy while the inbox cannot work, such as without a handler', async () => {
  await run();
  await until(() => monitor.status().state === 'online');
  kernel!.inbox.receive([{ id: 'm', from: 'alice', content: 'hello', timestamp: '2026-01-01T00:00:00Z' }], {
    name: 'poll',
    ackable: true,
  });
  await until(() => monitor.status().state === 'busy');
  expect(transport.said.at(-1)).toMatchObject({ reason: 'no_handler: messages cannot be handled' });
  expect(monitor.status().problems).toMatchObject([{ code: 'no_handler' }]);
  expect(own().find(({ fields }) => fields.status === 'busy')).toMatchObject({
    level: 'warn',
    message: 'presence: busy: no plugin handles messages: they wait at the backend',
    fields: { problems: [{ code: 'no_handler' }] },
  });
});

it('is busy while the intake proves nothing', async () => {
  let health: IntakeHealth = { budgetMs: 1_000, lastReceiveAgeMs: 0 };
  const deaf = definePlugin({
    name: 'deaf',
    version: '1.0.0',
    apiVersion: 1,
    provides: [services.intake],
    setup: (ctx) => ctx.provide(services.intake, { health: () => health }),
  });
  await run({}, { others: [deaf()] });
  await until(() => monitor.status().state === 'online');
  health = { budgetMs: 1_000, lastReceiveAgeMs: 5_000 };
  await until(() => monitor.status().state === 'busy');
  expect(monitor.status().problems).toMatchObject([{ code: 'not_receiving' }]);
});

it('is busy while the stream is down and nothing else brings messages', async () => {
  let state: RealtimeState = 'live';
  const stream = definePlugin({
    name: 'stream',
    version: '1.0.0',
    apiVersion: 1,
    provides: [services.realtime],
    setup(ctx) {
      const realtime: Realtime = {
        get state() {
          return state;
        },
        lastReceiveAgeMs: 0,
        onChange: () => () => {},
      };
      ctx.provide(services.realtime, realtime);
    },
  });
  await run({}, { others: [stream()] });
  await until(() => monitor.status().state === 'online');
  state = 'fallback';
  await until(() => monitor.status().state === 'busy');
  expect(monitor.status().problems).toMatchObject([{ code: 'stream_down' }]);
});

it('stands down where the transport knows no presence, and says so once', async () => {
  await run({}, { over: new MockTransport() });
  await until(() => monitor.status().state === 'unsupported');
  expect(own()).toMatchObject([
    {
      level: 'warn',
      message: 'presence: mock: the transport tells nobody who is online',
      fields: { code: 'E_HEARTBEAT_UNSUPPORTED', hint: expect.stringContaining('setStatus') },
    },
  ]);
});

it('logs trouble and recovery once each', async () => {
  transport.answer = (nth) => {
    if (nth < 3) throw new Error('connection refused');
  };
  await run();
  await until(() => monitor.status().state === 'online');
  expect(logged()).toEqual(['warn presence: mock: connection refused', 'info presence: works again']);
});

it('logs that the process stood still, and that the clock went ahead', async () => {
  await run();
  await until(() => monitor.status().state === 'online');
  const { now } = performance;
  vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 60_000);
  await until(() => logged().includes('warn this process stood still'));
  const wall = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => wall() + 86_400_000);
  await until(() => logged().includes('info the clock went ahead: the host slept, or it was set'));
  expect(own().find(({ message }) => message.includes('stood still'))!.fields.gapMs).toBeGreaterThan(50_000);
});

it('is found by the service ids, whichever copy of the contracts defined them', () => {
  const { requires, optional, late, provides } = heartbeat.definition;
  expect([...Object.values({ ...requires, ...optional, ...late }), ...provides!]).toEqual(
    ['transport', 'agent', 'intake', 'inbox', 'realtime', 'presence'].map((id) => defineService(id)),
  );
});
