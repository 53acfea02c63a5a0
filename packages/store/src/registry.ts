import { randomUUID } from 'node:crypto';
import {
  type AgentCredential,
  type AgentRegistryAPI,
  CleoError,
  type NewAgentCredential,
} from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import { agentNotFound, checkedAgentId } from './agent-id.ts';
import { type CredentialRow, checkedCredential, fromRow, toRow } from './credential-row.ts';
import type { MachineKey } from './machine-key.ts';

/**
 * Asks the backend for a new key. Called again with the same `idempotencyKey` after a crash or a lost answer; a backend
 * that knows it answers the same key again.
 */
export type Rotate = (
  credential: AgentCredential,
  options: { idempotencyKey: string },
) => Promise<{ apiKey: string; previousKeyExpiresAt?: string }>;

type Row = CredentialRow & { turn: number; rotation_id: string | null };

const COLUMNS = [
  ...[
    'agent_id',
    'display_name',
    'api_key',
    'api_base_url',
    'classification',
    'privacy_tier',
    'capabilities',
  ],
  ...['skills', 'transport_type', 'transport_config', 'is_active', 'last_used_at', 'key_issued_at'],
  ...['created_at', 'updated_at', 'turn', 'rotation_id'],
];
const PUT = `INSERT OR REPLACE INTO credentials (${COLUMNS}) VALUES (${COLUMNS.map((name) => `:${name}`)})`;
const NEXT_TURN = '(SELECT ifnull(max(turn), 0) + 1 FROM credentials)';
const LATEST_FIRST = 'ORDER BY last_used_at DESC NULLS LAST, turn DESC';

/** The credentials of this machine's agents, in SQLite, their keys encrypted with the machine key. */
export class CredentialRegistry implements AgentRegistryAPI {
  readonly #db: Database;
  readonly #machineKey: MachineKey;
  readonly #rotate: Rotate | undefined;
  readonly #rotations = new Map<string, Promise<{ agentId: string; newApiKey: string }>>();

  constructor(db: Database, machineKey: MachineKey, rotate?: Rotate) {
    this.#db = db;
    this.#machineKey = machineKey;
    this.#rotate = rotate;
  }

  /** What is not given has a default; the key's age begins now unless the same key is stored already. */
  async register(given: NewAgentCredential): Promise<AgentCredential> {
    const agentId = checkedAgentId(given.agentId);
    const machineKey = this.#keyForWriting();
    return this.#db.write(() => {
      const now = new Date().toISOString();
      const local = (given.apiBaseUrl ?? 'local:').startsWith('local:');
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
        keyIssuedAt: this.#issuedAt(agentId, given.apiKey, machineKey) ?? now,
        ...defined(given),
        updatedAt: now,
      });
      const { turn } = this.#db.sql(`SELECT ${NEXT_TURN} AS turn`).get() as { turn: number };
      this.#put(toRow(credential, machineKey), turn, null);
      return credential;
    });
  }

  async get(agentId: string): Promise<AgentCredential | null> {
    const row = this.#find(checkedAgentId(agentId));
    return row ? fromRow(row, this.#keyForReading()) : null;
  }

  /** In order of their ids. */
  async list(filter: { active?: boolean } = {}): Promise<AgentCredential[]> {
    const rows = this.#db.sql('SELECT * FROM credentials ORDER BY agent_id').all() as unknown as Row[];
    if (rows.length === 0) return [];
    const machineKey = this.#keyForReading();
    return rows
      .filter((row) => filter.active === undefined || (row.is_active === 1) === filter.active)
      .map((row) => fromRow(row, machineKey));
  }

  async update(agentId: string, patch: Partial<Omit<AgentCredential, 'agentId'>>): Promise<AgentCredential> {
    checkedAgentId(agentId);
    return this.#db.write(() => {
      const row = this.#existing(agentId);
      return this.#change(row, patch, row.rotation_id);
    });
  }

  async remove(agentId: string): Promise<void> {
    checkedAgentId(agentId);
    await this.#db.write(() => {
      const { changes } = this.#db.sql('DELETE FROM credentials WHERE agent_id = ?').run(agentId);
      if (changes === 0) throw agentNotFound(agentId);
    });
  }

  /** Callers that come while a rotation runs share it. */
  rotateKey(agentId: string): Promise<{ agentId: string; newApiKey: string }> {
    let rotation = this.#rotations.get(agentId);
    if (!rotation) {
      rotation = this.#rotateOnce(agentId).finally(() => this.#rotations.delete(agentId));
      this.#rotations.set(agentId, rotation);
    }
    return rotation;
  }

  async getActive(): Promise<AgentCredential | null> {
    const row = this.#db.sql(`SELECT * FROM credentials WHERE is_active = 1 ${LATEST_FIRST} LIMIT 1`).get();
    return row ? fromRow(row as unknown as Row, this.#keyForReading()) : null;
  }

  async markUsed(agentId: string): Promise<void> {
    checkedAgentId(agentId);
    await this.#db.write(() => {
      const { changes } = this.#db
        .sql(`UPDATE credentials SET last_used_at = ?, turn = ${NEXT_TURN} WHERE agent_id = ?`)
        .run(new Date().toISOString(), agentId);
      if (changes === 0) throw agentNotFound(agentId);
    });
  }

  /**
   * The intent is stored before the backend is asked, and ends in the transaction that stores the key: whenever this
   * process dies, the next rotation asks with the same idempotency key and is given the key that was lost on the way.
   */
  async #rotateOnce(agentId: string): Promise<{ agentId: string; newApiKey: string }> {
    checkedAgentId(agentId);
    const rotate = this.#rotate;
    if (!rotate)
      throw new CleoError('E_ROTATE_UNAVAILABLE', `the key of "${agentId}" cannot be rotated from here`, {
        hint: 'Open the store with a rotate function that asks the backend for a new key.',
      });
    const { credential, rotationId } = await this.#db.write(() => {
      const row = this.#existing(agentId);
      const rotationId = row.rotation_id ?? randomUUID();
      this.#db.sql('UPDATE credentials SET rotation_id = ? WHERE agent_id = ?').run(rotationId, agentId);
      return { credential: fromRow(row, this.#keyForReading()), rotationId };
    });
    const { apiKey } = await rotate(credential, { idempotencyKey: rotationId });
    const { apiKey: newApiKey } = await this.#db.write(() => {
      const row = this.#existing(agentId);
      // Another process finished this rotation meanwhile: what is stored is this key or a later one.
      if (row.rotation_id !== rotationId) return fromRow(row, this.#keyForReading());
      return this.#change(row, { apiKey }, null);
    });
    return { agentId, newApiKey };
  }

  /** Inside a write. */
  #change(row: Row, patch: Partial<AgentCredential>, rotationId: string | null): AgentCredential {
    const machineKey = this.#keyForReading();
    const before = fromRow(row, machineKey);
    const now = new Date().toISOString();
    const newKey = patch.apiKey !== undefined && patch.apiKey !== before.apiKey;
    const credential = checkedCredential({
      ...before,
      ...(newKey && { keyIssuedAt: now }),
      ...defined(patch),
      agentId: before.agentId,
      updatedAt: now,
    });
    this.#put(toRow(credential, machineKey), row.turn, newKey ? null : rotationId);
    return credential;
  }

  #put(row: CredentialRow, turn: number, rotationId: string | null): void {
    this.#db.sql(PUT).run({ ...row, turn, rotation_id: rotationId });
  }

  #find(agentId: string): Row | undefined {
    return this.#db.sql('SELECT * FROM credentials WHERE agent_id = ?').get(agentId) as unknown as
      | Row
      | undefined;
  }

  #existing(agentId: string): Row {
    const row = this.#find(agentId);
    if (!row) throw agentNotFound(agentId);
    return row;
  }

  /** When the stored key was issued, if it is this very key. */
  #issuedAt(agentId: string, apiKey: string, machineKey: Buffer): string | undefined {
    const row = this.#find(agentId);
    if (!row) return undefined;
    try {
      const stored = fromRow(row, machineKey);
      return stored.apiKey === apiKey ? stored.keyIssuedAt : undefined;
    } catch {
      // Registering again is the cure for a row that cannot be read.
      return undefined;
    }
  }

  #keyForReading(): Buffer {
    const machineKey = this.#machineKey.read();
    if (machineKey) return machineKey;
    throw new CleoError(
      'E_MACHINE_KEY_MISSING',
      `${this.#machineKey.file}: the machine key is gone, and with it the credentials in ${this.#db.file}`,
      {
        hint: 'Restore the file from a backup, or remove the agents (cleo agent remove ID) and register them again.',
        details: { file: this.#machineKey.file },
      },
    );
  }

  /** A new key is made only where nothing would become unreadable by it. */
  #keyForWriting(): Buffer {
    const machineKey = this.#machineKey.read();
    if (machineKey) return machineKey;
    // Who stored a credential had a key: if another process did so just now, its key can be read now.
    const stored = this.#db.sql('SELECT 1 FROM credentials LIMIT 1').get();
    return stored ? this.#keyForReading() : this.#machineKey.create();
  }
}

/** Without the members that are `undefined`, so that they do not hide a default. */
function defined<T extends object>(members: T): Partial<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Partial<T>;
}
