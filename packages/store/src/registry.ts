import {
  type AgentCredential,
  type AgentRegistryAPI,
  CleoError,
  type KeyRotation,
  type NewAgentCredential,
  type RotateKeyOptions,
} from '@cleocode/contracts';
import { agentNotFound, checkedAgentId } from './agent-id.ts';
import { checkedCredential, fromRow } from './credential-row.ts';
import { type CredentialTable, NEXT_TURN, type StoredCredential } from './credential-table.ts';
import type { RotationSteps } from './rotation-steps.ts';
import type { Rotator } from './rotator.ts';

export interface RegistryParts {
  credentials: CredentialTable;
  steps: RotationSteps;
  rotator: Rotator;
  /** Runs after a credential changed; `forget`: and something of it is to be gone. Never rejects. */
  onChanged(what?: { forget: boolean }): Promise<void>;
}

/** The credentials of this machine's agents, in SQLite, their keys encrypted with the machine key. */
export class CredentialRegistry implements AgentRegistryAPI {
  readonly #credentials: CredentialTable;
  readonly #steps: RotationSteps;
  readonly #rotator: Rotator;
  readonly #onChanged: RegistryParts['onChanged'];

  constructor({ credentials, steps, rotator, onChanged }: RegistryParts) {
    this.#credentials = credentials;
    this.#steps = steps;
    this.#rotator = rotator;
    this.#onChanged = onChanged;
  }

  /** What is not given has a default; the key's age begins now unless the same key is stored already. */
  async register(given: NewAgentCredential): Promise<AgentCredential> {
    const agentId = checkedAgentId(given.agentId);
    this.#credentials.keyForWriting();
    const registered = await this.#credentials.db.write(() => {
      const now = new Date().toISOString();
      const local = (given.apiBaseUrl ?? 'local:').startsWith('local:');
      const stored = this.#readable(agentId);
      const isSameKey = stored?.apiKey === given.apiKey;
      const credential = checkedCredential({
        displayName: agentId,
        apiBaseUrl: 'local:',
        privacyTier: 'public',
        capabilities: [],
        skills: [],
        transportType: local ? 'local' : 'http',
        transportConfig: {},
        isActive: true,
        createdAt: now,
        keyIssuedAt: (isSameKey && stored.keyIssuedAt) || now,
        ...defined(given),
        updatedAt: now,
      });
      this.#credentials.put(credential, this.#credentials.nextTurn());
      if (!isSameKey) this.#steps.clear(agentId);
      return credential;
    });
    await this.#onChanged();
    return registered;
  }

  async get(agentId: string): Promise<AgentCredential | null> {
    const row = this.#credentials.find(checkedAgentId(agentId));
    return row ? fromRow(row, this.#credentials.keyForReading()) : null;
  }

  /** In order of their ids. */
  async list(filter: { active?: boolean } = {}): Promise<AgentCredential[]> {
    const rows = this.#credentials.all();
    if (rows.length === 0) return [];
    const machineKey = this.#credentials.keyForReading();
    return rows
      .filter((row) => filter.active === undefined || (row.is_active === 1) === filter.active)
      .map((row) => fromRow(row, machineKey));
  }

  async update(agentId: string, patch: Partial<Omit<AgentCredential, 'agentId'>>): Promise<AgentCredential> {
    checkedAgentId(agentId);
    const updated = await this.#credentials.db.write(() => {
      const { turn } = this.#credentials.existing(agentId);
      const before = this.#credentials.read(agentId);
      const now = new Date().toISOString();
      const isNewKey = patch.apiKey !== undefined && patch.apiKey !== before.apiKey;
      const credential = checkedCredential({
        ...before,
        ...(isNewKey && { keyIssuedAt: now }),
        ...defined(patch),
        agentId,
        updatedAt: now,
      });
      this.#credentials.put(credential, turn);
      if (isNewKey) this.#steps.clear(agentId);
      return credential;
    });
    await this.#onChanged();
    return updated;
  }

  async remove(agentId: string): Promise<void> {
    checkedAgentId(agentId);
    await this.#credentials.db.write(() => {
      const { changes } = this.#credentials.db.sql('DELETE FROM credentials WHERE agent_id = ?').run(agentId);
      if (changes === 0) throw agentNotFound(agentId);
      this.#steps.clear(agentId);
    });
    await this.#onChanged({ forget: true });
  }

  /**
   * Callers that come while a rotation runs share it; one of another process is waited for, and its key answered. Each step is
   * stored before the next: whenever this process dies, the next call goes on, and asks the backend in the same words.
   */
  async rotateKey(
    agentId: string,
    options: RotateKeyOptions = {},
  ): Promise<{ agentId: string; newApiKey: string }> {
    checkedAgentId(agentId);
    const { apiKey } = await this.#rotator.rotate(agentId, options);
    return { agentId, newApiKey: apiKey };
  }

  async rotation(agentId: string): Promise<KeyRotation | null> {
    return this.#steps.rotation(checkedAgentId(agentId));
  }

  async retireKey(agentId: string): Promise<void> {
    await this.#steps.retire(checkedAgentId(agentId));
  }

  /** See {@link RotationSteps.useAnother}. */
  async useAnother(agentId: string, refused: ReadonlySet<string>): Promise<boolean> {
    return this.#steps.useAnother(checkedAgentId(agentId), refused);
  }

  async getActive(): Promise<AgentCredential | null> {
    const row = this.#credentials.db
      .sql(
        'SELECT * FROM credentials WHERE is_active = 1 ORDER BY last_used_at DESC NULLS LAST, turn DESC LIMIT 1',
      )
      .get() as unknown as StoredCredential | undefined;
    return row ? fromRow(row, this.#credentials.keyForReading()) : null;
  }

  async markUsed(agentId: string): Promise<void> {
    checkedAgentId(agentId);
    await this.#credentials.db.write(() => {
      const { changes } = this.#credentials.db
        .sql(`UPDATE credentials SET last_used_at = ?, turn = ${NEXT_TURN} WHERE agent_id = ?`)
        .run(new Date().toISOString(), agentId);
      if (changes === 0) throw agentNotFound(agentId);
    });
  }

  /** What is stored, unless it cannot be read: registering again is the cure for that. */
  #readable(agentId: string): AgentCredential | undefined {
    if (!this.#credentials.find(agentId)) return undefined;
    try {
      return this.#credentials.read(agentId);
    } catch (error) {
      if (CleoError.is(error, 'E_CREDENTIAL_UNREADABLE')) return undefined;
      throw error;
    }
  }
}

/** Without the members that are `undefined`, so that they do not hide a default. */
function defined<T extends object>(members: T): Partial<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Partial<T>;
}
