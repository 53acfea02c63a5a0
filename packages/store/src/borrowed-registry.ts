import {
  type AgentCredential,
  type AgentRegistryAPI,
  agentCredentialSchema,
  CleoError,
  type KeyRotation,
  type NewAgentCredential,
  type RotateKeyOptions,
  withDeadline,
} from '@cleocode/contracts';
import { z } from 'zod';
import type { StoreRegistry } from './store.ts';

/** A registry may be a file, a keychain or a server. One that rotates a key waits for a backend, with limits of its own. */
const ANSWER_MS = 10_000;

/** What an agent cannot do without. Registries of other makes have other members besides, or fewer. */
const needed = agentCredentialSchema.pick({ agentId: true, apiKey: true, apiBaseUrl: true });

/** Anybody's registry as a store's own: each wait has an end, a credential is checked, and what it cannot do is nothing. */
export class BorrowedRegistry implements StoreRegistry {
  readonly #registry: AgentRegistryAPI;

  constructor(registry: AgentRegistryAPI) {
    this.#registry = registry;
  }

  async get(agentId: string): Promise<AgentCredential | null> {
    return checked(await this.#answer('get', this.#registry.get(agentId)));
  }

  async getActive(): Promise<AgentCredential | null> {
    return checked(await this.#answer('getActive', this.#registry.getActive()));
  }

  async markUsed(agentId: string): Promise<void> {
    await this.#answer('markUsed', this.#registry.markUsed(agentId));
  }

  async rotation(agentId: string): Promise<KeyRotation | null> {
    return (await this.#answer('rotation', this.#registry.rotation?.(agentId))) ?? null;
  }

  async retireKey(agentId: string): Promise<void> {
    await this.#answer('retireKey', this.#registry.retireKey?.(agentId));
  }

  async useAnother(): Promise<boolean> {
    return false;
  }

  async list(filter?: { active?: boolean }): Promise<AgentCredential[]> {
    return this.#registry.list(filter);
  }

  async register(credential: NewAgentCredential): Promise<AgentCredential> {
    return this.#registry.register(credential);
  }

  async update(agentId: string, patch: Partial<Omit<AgentCredential, 'agentId'>>): Promise<AgentCredential> {
    return this.#registry.update(agentId, patch);
  }

  async remove(agentId: string): Promise<void> {
    await this.#registry.remove(agentId);
  }

  async rotateKey(
    agentId: string,
    options?: RotateKeyOptions,
  ): Promise<{ agentId: string; newApiKey: string }> {
    return this.#registry.rotateKey(agentId, options);
  }

  #answer<T>(method: string, work: Promise<T> | undefined): Promise<T | undefined> {
    // What is no promise is taken as it is.
    return withDeadline(Promise.resolve(work), ANSWER_MS, () => silent(method));
  }
}

export const registryOption = z.custom<AgentRegistryAPI>(
  (value) => METHODS.every((method) => typeof (value as AgentRegistryAPI | null)?.[method] === 'function'),
  'expected a registry of agent credentials, with get, getActive, markUsed and rotateKey',
);

const METHODS = ['get', 'getActive', 'markUsed', 'rotateKey'] as const;

function checked(credential: AgentCredential | null | undefined): AgentCredential | null {
  if (!credential) return null;
  const result = needed.safeParse(credential);
  if (result.success) return { ...credential, transportConfig: credential.transportConfig ?? {} };
  // Not the values: one of them is the key.
  const faults = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new CleoError(
    'E_CREDENTIAL_INVALID',
    `the registry gave a credential that does not fit: ${faults.join('; ')}`,
    {
      hint: 'Correct the members named in the message, where the registry keeps them.',
    },
  );
}

function silent(method: string): CleoError {
  return new CleoError('E_REGISTRY_TIMEOUT', `the registry did not answer ${method} within ${ANSWER_MS} ms`, {
    hint: 'Look at what the registry waits for.',
    retryable: true,
  });
}
