import { type Agent, CleoError } from '@cleocode/contracts';
import type { StoreRegistry } from './store.ts';
import type { StoredAgent } from './stored-agent.ts';

// The services are handed out in setup, before there is anything behind them.

/** What the services lead to once `init` has run. */
export interface Held {
  registry: StoreRegistry;
  agent: StoredAgent;
}

export function notOpen(): CleoError {
  return new CleoError('E_STORE_NOT_OPEN', 'the store is not open: it is opened by its init handler', {
    hint: 'Use registry, journal and agent from an init handler on, not in setup.',
  });
}

export function agentOf(ready: () => Held): Agent {
  return {
    get id() {
      return ready().agent.id;
    },
    credential: () => ready().agent.credential(),
    onChange: (listener) => ready().agent.onChange(listener),
    reportUnauthorized: (cause) => ready().agent.reportUnauthorized(cause),
    refresh: (refused, cause) => ready().agent.refresh(refused, cause),
    reportAccepted: (accepted) => ready().agent.reportAccepted(accepted),
    auth: () => ready().agent.auth(),
    onAuth: (listener) => ready().agent.onAuth(listener),
  };
}

/** What this process changes is passed on to the agent at once. */
export function registryOf(ready: () => Held): StoreRegistry {
  const refreshed = async <T>(change: (registry: StoreRegistry) => Promise<T>): Promise<T> => {
    const { registry, agent } = ready();
    try {
      return await change(registry);
    } finally {
      await agent.reload();
    }
  };
  return {
    get: async (agentId) => ready().registry.get(agentId),
    list: async (filter) => ready().registry.list(filter),
    getActive: async () => ready().registry.getActive(),
    markUsed: async (agentId) => ready().registry.markUsed(agentId),
    remove: async (agentId) => ready().registry.remove(agentId),
    register: (credential) => refreshed((registry) => registry.register(credential)),
    update: (agentId, patch) => refreshed((registry) => registry.update(agentId, patch)),
    rotateKey: (agentId, options) => refreshed((registry) => registry.rotateKey(agentId, options)),
    rotation: async (agentId) => ready().registry.rotation(agentId),
    retireKey: (agentId) => refreshed((registry) => registry.retireKey(agentId)),
    useAnother: (agentId, refused) => refreshed((registry) => registry.useAnother(agentId, refused)),
  };
}
