import {
  type Agent,
  type AgentCredential,
  type AgentRegistryAPI,
  type Credential,
  errorText,
  Secret,
} from '@cleocode/contracts';
import type { Logger } from '@cleocode/kernel';

/** The agent this process runs as: the one place that holds its current credential, kept in step with the registry. */
export class StoredAgent implements Agent {
  readonly id: string;
  readonly #registry: Pick<AgentRegistryAPI, 'get'>;
  readonly #logger: Logger;
  readonly #listeners = new Set<(credential: Credential) => void>();
  #stored: AgentCredential;
  #current: Credential;
  #reading: Promise<void> = Promise.resolve();
  /** The key a backend refused, so that it is said once. */
  #refused: string | undefined;
  /** What went wrong last, so that it is said once. */
  #trouble: string | undefined;

  constructor(stored: AgentCredential, registry: Pick<AgentRegistryAPI, 'get'>, logger: Logger) {
    this.id = stored.agentId;
    this.#registry = registry;
    this.#logger = logger;
    this.#stored = stored;
    this.#current = toCredential(stored);
  }

  credential(): Credential {
    return this.#current;
  }

  onChange(listener: (credential: Credential) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  reportUnauthorized(cause: unknown): void {
    const refused = this.#stored.apiKey;
    void this.reload().then(() => {
      if (this.#stored.apiKey !== refused || this.#refused === refused) return;
      this.#refused = refused;
      this.#logger.error(`the backend refuses the key of "${this.id}"`, {
        error: errorText(cause),
        hint: `Store a valid key: cleo agent register --id ${this.id} --api-key <key>`,
      });
    });
  }

  /** Reads the registry again and tells the listeners when the credential changed. Never rejects. */
  reload(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#read());
    return this.#reading;
  }

  async #read(): Promise<void> {
    try {
      const stored = await this.#registry.get(this.id);
      if (!stored) return this.#troubled(`agent "${this.id}" was removed; its last key stays in use`);
      this.#trouble = undefined;
      if (same(stored, this.#stored)) return;
      this.#stored = stored;
      this.#current = toCredential(stored);
    } catch (error) {
      return this.#troubled(`its last key stays in use: ${errorText(error)}`);
    }
    for (const listener of [...this.#listeners]) {
      try {
        listener(this.#current);
      } catch (error) {
        this.#logger.error('a listener for the credential threw', { error: errorText(error) });
      }
    }
  }

  #troubled(message: string): void {
    if (this.#trouble !== message) this.#logger.error(message, { agentId: this.id });
    this.#trouble = message;
  }
}

function toCredential(stored: AgentCredential): Credential {
  const { agentId, apiKey, apiBaseUrl, transportType, transportConfig } = stored;
  return Object.freeze({
    agentId,
    apiKey: new Secret(apiKey),
    apiBaseUrl,
    transportType,
    transportConfig: Object.freeze(transportConfig),
  });
}

function same(a: AgentCredential, b: AgentCredential): boolean {
  const shown = ({ apiKey, apiBaseUrl, transportType, transportConfig }: AgentCredential) =>
    JSON.stringify([apiKey, apiBaseUrl, transportType, transportConfig]);
  return shown(a) === shown(b);
}
