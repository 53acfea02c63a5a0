import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentRegistryAPI, services } from '@cleocode/contracts';
import type { PluginFactory } from '@cleocode/kernel';
import { type PluginGiven, pluginContract, providing } from '@cleocode/kernel/testing';
import heartbeat from '@cleocode/plugin-heartbeat';
import keyRotation from '@cleocode/plugin-key-rotation';
import poller from '@cleocode/plugin-poller';
import sse from '@cleocode/plugin-sse';
import { openDock } from '@cleocode/signaldock';
import store, { openStore } from '@cleocode/store';
import httpTransport from '@cleocode/transport-http';
import localTransport from '@cleocode/transport-local';
import { afterAll, describe, it } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'cleo-contract-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const folder = () => mkdtempSync(join(root, 'one-'));

/** Nothing answers there, and nothing has to: a backend that is away must not keep an agent from starting. */
const remote = () => ({
  id: 'test-agent',
  apiKey: `sk_test_${'0'.repeat(32)}`,
  apiBaseUrl: 'http://127.0.0.1:1',
});

/** A registry that knows the agent and rotates nothing. */
const registry = { get: async () => null, rotation: async () => null } as unknown as AgentRegistryAPI;

describe.each<[name: string, factory: PluginFactory<never>, given: PluginGiven<never>]>([
  own(poller, {
    options: { intervalMs: 10 },
    invalidOptions: { intervalMs: { intervalMs: 0 }, 'groups[0]': { groups: [''] } },
  }),
  own(heartbeat, { invalidOptions: { intervalMs: { intervalMs: -1 } } }),
  own(keyRotation, {
    options: { checkIntervalMs: 10 },
    invalidOptions: { maxKeyAgeMs: { maxKeyAgeMs: 'old' } },
    services: () => [providing(services.registry, registry)],
  }),
  own(sse, { agent: remote, invalidOptions: { watchdogMs: { watchdogMs: 0.5 } } }),
  own(httpTransport, { agent: remote, invalidOptions: { timeoutMs: { timeoutMs: 0 } } }),
  own(localTransport, {
    async options() {
      const file = join(folder(), 'signaldock.db');
      const dock = await openDock({ file });
      for (const agentId of ['test-agent', 'other-agent']) await dock.registerAgent({ agentId });
      await dock.close();
      return { file };
    },
    invalidOptions: { file: { file: '' } },
  }),
  own(store, {
    agent: () => ({ id: 'test-agent' }),
    async options() {
      const [dir, dataDir] = [folder(), folder()];
      const opened = await openStore({ dir, dataDir });
      await opened.registry.register({ agentId: 'test-agent', apiKey: `sk_test_${'1'.repeat(32)}` });
      await opened.close();
      return { dir, dataDir };
    },
    invalidOptions: { agent: { agent: 'a/b' } },
  }),
])('%s', (_, factory, given) => {
  it.each(pluginContract(factory, given))('$name', ({ run }) => run());
});

function own<Input>(
  factory: PluginFactory<Input>,
  given: PluginGiven<Input>,
): [string, PluginFactory<never>, PluginGiven<never>] {
  return [factory.definition.name, factory as PluginFactory<never>, given as PluginGiven<never>];
}
