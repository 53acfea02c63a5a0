import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  type Agent,
  type AgentRegistryAPI,
  CleoError,
  type ConduitMessage,
  type Journal,
  PermanentError,
  services,
} from '@cleocode/contracts';
import {
  createKernel,
  createLogger,
  type Delivery,
  definePlugin,
  type Kernel,
  type KernelConfig,
  KernelError,
  type LogRecord,
} from '@cleocode/kernel';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startChild } from './child.test.util.ts';
import { type StorePluginOptions, store } from './plugin.ts';
import { openStore } from './store.ts';
import { temporaryFolders, temporaryStore } from './temporary.test.util.ts';

const KEY = 'sk_live_0123456789abcdef0123456789abcdef';

const message = (id: string, more: Partial<ConduitMessage> = {}): ConduitMessage => ({
  id,
  from: 'alice',
  content: `content of ${id}`,
  timestamp: '2026-01-01T00:00:00Z',
  ...more,
});

interface Services {
  agent: Agent;
  registry: AgentRegistryAPI;
  journal: Journal;
}

/** A started kernel of the store and one handler, with the services the store gives. */
async function started(
  options: StorePluginOptions,
  handle: (delivery: Delivery) => unknown = () => {},
  config: KernelConfig = {},
): Promise<{ kernel: Kernel; logged: LogRecord[] } & Services> {
  let given!: Services;
  const logged: LogRecord[] = [];
  const probe = definePlugin({
    name: 'probe',
    version: '0.0.0',
    apiVersion: 1,
    requires: { agent: services.agent, registry: services.registry, journal: services.journal },
    setup(ctx, _, deps) {
      given = deps;
      ctx.on('message', handle);
    },
  });
  const kernel = createKernel({
    plugins: [store(options), probe()],
    logger: createLogger('warn', (record) => logged.push(record)),
    ...config,
  });
  onTestFinished(async () => void (await kernel.stop()));
  await kernel.start();
  return { kernel, logged, ...given };
}

/** Folders in which `bob` is registered. */
async function foldersWithBob() {
  const folders = temporaryFolders();
  const setting = await openStore(folders);
  await setting.registry.register({ agentId: 'bob', apiKey: KEY });
  await setting.close();
  return folders;
}

async function failureOf(kernelStart: Promise<unknown>): Promise<CleoError> {
  const error = await kernelStart.then(
    () => expect.fail('it started'),
    (reason) => reason,
  );
  if (!KernelError.is(error) || !CleoError.is(error.cause)) throw error;
  return error.cause;
}

describe('the store as a plugin', () => {
  it('runs as the agent used last and marks it used', async () => {
    const folders = await foldersWithBob();
    const setting = await temporaryStore(folders);
    await setting.registry.register({ agentId: 'eve', apiKey: 'other' });
    await setting.registry.markUsed('bob');
    const before = (await setting.registry.get('bob'))!;
    const { agent, registry } = await started(folders);
    expect(agent.id).toBe('bob');
    expect(agent.credential().apiKey.reveal()).toBe(KEY);
    const after = (await registry.get('bob'))!;
    expect(Date.parse(after.lastUsedAt!)).toBeGreaterThanOrEqual(Date.parse(before.lastUsedAt!));
    expect(after.keyIssuedAt).toBe(before.keyIssuedAt);
  });

  it('runs as the agent it is told, and that one is the last used then', async () => {
    const folders = await foldersWithBob();
    const setting = await temporaryStore(folders);
    await setting.registry.register({ agentId: 'eve', apiKey: 'other' });
    const { agent, registry } = await started({ ...folders, agent: 'bob' });
    expect(agent.id).toBe('bob');
    expect((await registry.getActive())?.agentId).toBe('bob');
  });

  it('finds the state folder and the data folder from the environment', async () => {
    const { dir, dataDir } = await foldersWithBob();
    vi.stubEnv('CLEO_DIR', dir);
    vi.stubEnv('CLEO_DATA_DIR', dataDir);
    onTestFinished(() => void vi.unstubAllEnvs());
    const { agent } = await started({});
    expect(agent.id).toBe('bob');
    expect(existsSync(join(dir, 'run', 'bob.lock'))).toBe(true);
  });

  it('does no I/O before init: its services say so', async () => {
    const folders = temporaryFolders();
    const failures: unknown[] = [];
    const early = definePlugin({
      name: 'early',
      version: '0.0.0',
      apiVersion: 1,
      requires: { agent: services.agent, registry: services.registry, journal: services.journal },
      setup(_, __, { agent, registry, journal }) {
        for (const use of [() => agent.id, () => agent.credential(), () => journal.begin('a')]) {
          try {
            use();
          } catch (error) {
            failures.push(error);
          }
        }
        registry.get('bob').catch((error) => failures.push(error));
      },
    });
    const kernel = createKernel({ plugins: [store(folders), early()] });
    await kernel.prepare();
    expect(existsSync(folders.dir)).toBe(false);
    expect(failures).toHaveLength(4);
    for (const failure of failures)
      expect(failure).toMatchObject({
        code: 'E_STORE_NOT_OPEN',
        hint: 'Use registry, journal and agent from an init handler on, not in setup.',
      });
    await kernel.stop();
  });

  it.each([undefined, 'eve'])(
    'says how to register when agent %j is missing, and lets go of everything',
    async (agent) => {
      const folders = temporaryFolders();
      const error = await failureOf(started({ ...folders, agent }));
      expect(error.code).toBe('E_NO_AGENT');
      expect(error.message).toBe(
        'No agent credential found. Run: cleo agent register --id <id> --api-key <key>',
      );
      const who = agent === undefined ? 'No active agent is' : '"eve" is not';
      expect(error.hint).toBe(`${who} registered in ${join(folders.dir, 'state.db')}.`);
      // The last connection takes the log away with it.
      expect(existsSync(join(folders.dir, 'state.db-wal'))).toBe(false);
    },
  );

  it('refuses a second process for the same agent, and lets another agent run beside it', async () => {
    const folders = await foldersWithBob();
    const setting = await temporaryStore(folders);
    await setting.registry.register({ agentId: 'eve', apiKey: 'other' });
    const { kernel } = await started({ ...folders, agent: 'bob' });
    const error = await failureOf(started({ ...folders, agent: 'bob' }));
    expect(error).toMatchObject({ code: 'E_ALREADY_RUNNING', details: { pid: process.pid } });
    await started({ ...folders, agent: 'eve' });
    await kernel.stop();
    await started({ ...folders, agent: 'bob' });
  });

  it('can start at once after a kill -9', async () => {
    const folders = await foldersWithBob();
    const child = startChild(RUN, folders.dir, folders.dataDir);
    expect(await child.line()).toBe('ready');
    const error = await failureOf(started(folders));
    expect(error).toMatchObject({ code: 'E_ALREADY_RUNNING', details: { pid: child.pid } });
    child.kill('SIGKILL');
    await child.exit;
    await started(folders);
  }, 30_000);

  it('closes everything on stop', async () => {
    const folders = await foldersWithBob();
    const { kernel, journal } = await started(folders);
    expect(await kernel.stop()).toMatchObject({ ok: true, forced: [] });
    await expect(journal.begin('late')).rejects.toMatchObject({ code: 'E_STORAGE_CLOSED' });
    expect(existsSync(join(folders.dir, 'state.db-wal'))).toBe(false);
    expect(existsSync(join(folders.dir, 'run', 'bob.lock.pid'))).toBe(false);
  });

  it('refuses options it does not know', async () => {
    const misspelt = { folder: '/tmp' } as StorePluginOptions;
    await expect(createKernel({ plugins: [store(misspelt)] }).start()).rejects.toMatchObject({
      code: 'E_PLUGIN_OPTIONS',
      message: expect.stringContaining('folder'),
    });
  });
});

describe('the credential of a running agent', () => {
  it('follows what another process stores', async () => {
    const folders = await foldersWithBob();
    const { agent } = await started(folders);
    const heard: string[] = [];
    agent.onChange(({ apiKey }) => heard.push(apiKey.reveal()));
    const elsewhere = await temporaryStore(folders);
    await elsewhere.registry.update('bob', { apiKey: 'rotated elsewhere' });
    await vi.waitUntil(() => heard.length > 0);
    expect(heard).toEqual(['rotated elsewhere']);
    expect(agent.credential().apiKey.reveal()).toBe('rotated elsewhere');
  });

  it('has changed when its own rotation has resolved', async () => {
    const folders = await foldersWithBob();
    const { agent, registry } = await started({
      ...folders,
      issuer: { issue: async () => ({ apiKey: 'rotated here' }) },
    });
    const heard: string[] = [];
    agent.onChange(({ apiKey }) => heard.push(apiKey.reveal()));
    await registry.rotateKey('bob');
    expect(agent.credential().apiKey.reveal()).toBe('rotated here');
    await registry.update('bob', { apiKey: 'updated here' });
    expect(heard).toEqual(['rotated here', 'updated here']);
  });

  it('is never shown by inspecting the services', async () => {
    const { agent, registry, journal } = await started(await foldersWithBob());
    const shown = inspect({ agent, registry, journal, credential: agent.credential() }, { depth: null });
    expect(shown).not.toContain(KEY.slice(12));
  });
});

describe('messages', () => {
  it('that are done stay done over a restart', async () => {
    const folders = await foldersWithBob();
    const handled: string[] = [];
    const first = await started(folders, ({ message }) => handled.push(message.id));
    await first.kernel.dispatch(message('m1'));
    await first.kernel.stop();
    const second = await started(folders, ({ message }) => handled.push(message.id));
    second.kernel.inbox.receive([message('m1')], { name: 'poll', ackable: true });
    await second.kernel.dispatch(message('m2'));
    await vi.waitUntil(() => second.kernel.inbox.stats().queued === 0);
    expect(handled).toEqual(['m1', 'm2']);
  });

  it('are held, not lost, when the file is replaced under the agent', async () => {
    const folders = await foldersWithBob();
    const handled: string[] = [];
    const { kernel, logged } = await started(folders, ({ message }) => handled.push(message.id), {
      timeouts: { drainMs: 200 },
    });
    const file = join(folders.dir, 'state.db');
    renameSync(file, `${file}.moved`);
    kernel.inbox.receive([message('m1')], { name: 'poll', ackable: true });
    await vi.waitUntil(() => kernel.inbox.stats().problems.length > 0);
    expect(kernel.inbox.stats().problems).toMatchObject([{ code: 'storage_replaced' }]);
    const said = () => logged.find(({ fields }) => fields.code === 'E_STORAGE_REPLACED');
    expect(await vi.waitUntil(said)).toMatchObject({ level: 'error' });
    expect(handled).toEqual([]);
  });
});

describe('a dead letter', () => {
  const poison = (): never => {
    throw new PermanentError('cannot be parsed');
  };

  it('that another process replays is handled by the running agent', async () => {
    const folders = await foldersWithBob();
    let handle: (delivery: Delivery) => unknown = poison;
    const sources: string[] = [];
    const { kernel } = await started(folders, (delivery) => {
      sources.push(`${delivery.source} ${delivery.attempt}`);
      return handle(delivery);
    });
    expect(await kernel.dispatch(message('m1'))).toMatchObject({ status: 'dead' });
    const letters = (await temporaryStore(folders)).deadLettersFor('bob');
    expect(await letters.list()).toMatchObject([
      { message: message('m1'), reason: 'probe: cannot be parsed' },
    ]);
    handle = () => {};
    await letters.replay('m1');
    await vi.waitUntil(() => letters.pendingReplays().length === 0);
    expect(sources).toEqual(['dispatch 1', 'replay 1']);
    expect(await letters.count()).toBe(0);
  });

  it('that fails again is dead again, and can be replayed once more', async () => {
    const folders = await foldersWithBob();
    const handled: number[] = [];
    const { kernel } = await started(folders, (delivery) => {
      handled.push(delivery.attempt);
      poison();
    });
    await kernel.dispatch(message('m1'));
    const letters = (await temporaryStore(folders)).deadLettersFor('bob');
    for (const times of [2, 3]) {
      await letters.replay('m1');
      await vi.waitUntil(() => handled.length === times);
      await vi.waitUntil(async () => (await letters.count()) === 1);
    }
    expect(handled).toEqual([1, 1, 1]);
  });

  it('that was replayed while the agent was down is handled at its next start', async () => {
    const folders = await foldersWithBob();
    const { kernel } = await started(folders, poison);
    await kernel.dispatch(message('m1'));
    await kernel.stop();
    await (await temporaryStore(folders)).deadLettersFor('bob').replay('m1');
    const handled: string[] = [];
    await started(folders, ({ message }) => handled.push(message.id));
    await vi.waitUntil(() => handled.length > 0);
    expect(handled).toEqual(['m1']);
  });

  it('whose replay is cut short by a kill -9 comes again, its attempt counted', async () => {
    const folders = await foldersWithBob();
    const first = await started(folders, poison);
    await first.kernel.dispatch(message('m1'));
    await first.kernel.stop();
    const letters = (await temporaryStore(folders)).deadLettersFor('bob');
    await letters.replay('m1');
    const child = startChild(RUN, folders.dir, folders.dataDir);
    expect([await child.line(), await child.line()]).toEqual(['ready', 'm1 1']);
    child.kill('SIGKILL');
    await child.exit;
    const attempts: number[] = [];
    await started(folders, ({ attempt }) => attempts.push(attempt));
    await vi.waitUntil(() => letters.pendingReplays().length === 0);
    expect(attempts).toEqual([2]);
  }, 30_000);

  it('is one of more than the inbox holds: all are handled, in the order of their conversation', async () => {
    const folders = await foldersWithBob();
    const setting = await temporaryStore(folders);
    const ids = Array.from({ length: 60 }, (_, index) => `m${index}`);
    for (const [index, id] of ids.entries())
      await setting
        .journalFor('bob')
        .dead(id, message(id, { threadId: `t${index % 3}`, seq: index + 1 }), 'gave up');
    expect(await setting.deadLettersFor('bob').replayAll()).toBe(60);
    const handled: string[] = [];
    await started(folders, ({ message }) => handled.push(message.id), {
      inbox: { capacity: 8, laneCapacity: 3, concurrency: 2 },
    });
    await vi.waitUntil(() => handled.length === 60, { timeout: 20_000 });
    for (const lane of [0, 1, 2])
      expect(handled.filter((id) => Number(id.slice(1)) % 3 === lane)).toEqual(
        ids.filter((_, index) => index % 3 === lane),
      );
  }, 30_000);

  it('does not keep its conversation waiting once it was taken in', async () => {
    const folders = await foldersWithBob();
    const setting = await temporaryStore(folders);
    for (let index = 0; index < 5; index++)
      await setting
        .journalFor('bob')
        .dead(`old${index}`, message(`old${index}`, { threadId: 't', seq: index + 1 }), 'x');
    await setting.deadLettersFor('bob').replayAll();
    const handled: string[] = [];
    const { kernel } = await started(folders, ({ message }) => handled.push(message.id), {
      inbox: { laneCapacity: 2 },
    });
    await vi.waitUntil(() => handled.length === 5);
    expect(await kernel.dispatch(message('new', { threadId: 't', seq: 100 }))).toEqual({ status: 'done' });
  }, 20_000);
});

/** Runs `bob` with a handler that prints what it gets and never finishes. */
const RUN = `
  import { createKernel, definePlugin } from '@cleocode/kernel';
  import { store } from '@cleocode/store';
  const [dir, dataDir] = process.argv.slice(1);
  const hang = definePlugin({
    name: 'hang',
    version: '0.0.0',
    apiVersion: 1,
    setup(ctx) {
      ctx.on('start', () => console.log('ready'));
      ctx.on('message', ({ message, attempt }) => {
        console.log(message.id, attempt);
        return new Promise(() => {});
      });
    },
  });
  await createKernel({ plugins: [store({ dir, dataDir }), hang()] }).start();`;
