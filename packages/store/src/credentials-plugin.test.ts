import { type Agent, type AgentRegistryAPI, services } from '@cleocode/contracts';
import { createKernel, createLogger, definePlugin } from '@cleocode/kernel';
import { expect, it, onTestFinished, vi } from 'vitest';
import { BorrowedRegistry } from './borrowed-registry.ts';
import { credentials, store } from './index.ts';
import { temporaryFolders } from './temporary.test.util.ts';

interface Taken {
  agent: Agent;
  registry: AgentRegistryAPI;
}

/** A registry of one agent, with what every one has. */
function borrowed(more: Partial<AgentRegistryAPI> = {}) {
  const bob = { agentId: 'bob', apiKey: 'k1', apiBaseUrl: 'local:' };
  const calls = {
    get: vi.fn(async () => bob),
    getActive: vi.fn(async () => bob),
    markUsed: vi.fn(async () => {}),
    async rotateKey() {
      bob.apiKey += '+';
      return { agentId: 'bob', newApiKey: bob.apiKey };
    },
  };
  return { registry: { ...calls, ...more } as unknown as AgentRegistryAPI, calls, bob };
}

async function started(plugin: ReturnType<typeof store>) {
  let taken: Taken | undefined;
  const user = definePlugin({
    name: 'user',
    version: '1.0.0',
    apiVersion: 1,
    requires: { agent: services.agent, registry: services.registry },
    setup: (_ctx, _options, deps) => {
      taken = deps;
    },
  });
  const kernel = createKernel({ plugins: [plugin, user()], logger: createLogger('error', () => {}) });
  onTestFinished(async () => void (await kernel.stop()));
  await kernel.start();
  return { ...taken!, kernel };
}

it.for(['credentials', 'store'] as const)(
  '%s runs the agent of a borrowed registry, and uses a key that was rotated through it at once',
  async (name) => {
    const { registry, calls } = borrowed();
    const { agent, registry: service } = await started(
      name === 'store' ? store({ ...temporaryFolders(), registry }) : credentials({ registry }),
    );
    expect([agent.id, agent.credential().apiKey.reveal()]).toEqual(['bob', 'k1']);
    expect(agent.credential().transportConfig).toEqual({});
    expect(calls.markUsed).toHaveBeenCalledExactlyOnceWith('bob');
    const changed = vi.fn();
    agent.onChange(changed);
    await service.rotateKey('bob');
    expect(agent.credential().apiKey.reveal()).toBe('k1+');
    expect(changed).toHaveBeenCalledOnce();
  },
);

it('sees what others change in it', async () => {
  const { registry, bob } = borrowed();
  const { agent } = await started(credentials({ registry, lookMs: 5 }));
  bob.apiKey = 'k2';
  await vi.waitFor(() => expect(agent.credential().apiKey.reveal()).toBe('k2'));
});

it('keeps the last key while the registry fails', async () => {
  const { registry, calls } = borrowed();
  const { agent } = await started(credentials({ registry, lookMs: 5 }));
  calls.get.mockRejectedValue(new Error('locked'));
  const { length } = calls.get.mock.calls;
  await vi.waitFor(() => expect(calls.get.mock.calls.length).toBeGreaterThan(length + 2));
  expect(agent.credential().apiKey.reveal()).toBe('k1');
});

it('names what is no registry', async () => {
  await expect(started(credentials({ registry: {} as never }))).rejects.toMatchObject({
    code: 'E_PLUGIN_OPTIONS',
    message: expect.stringContaining('registry: expected a registry of agent credentials, with get'),
  });
});

it('takes a borrowed registry that cannot tell of rotations for one that has none', async () => {
  const { registry } = borrowed();
  const own = new BorrowedRegistry(registry);
  expect(await own.rotation('bob')).toBe(null);
  expect(await own.useAnother()).toBe(false);
  await own.retireKey('bob');
  const telling = new BorrowedRegistry(
    borrowed({ rotation: async () => ({ state: 'intent', begunAt: 'now' }) }).registry,
  );
  expect(await telling.rotation('bob')).toEqual({ state: 'intent', begunAt: 'now' });
});
