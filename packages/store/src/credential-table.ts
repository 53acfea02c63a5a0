import { type AgentCredential, CleoError } from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import { agentNotFound } from './agent-id.ts';
import { type CredentialRow, fromRow, toRow } from './credential-row.ts';
import type { MachineKey } from './machine-key.ts';

/** A row of the table `credentials`. */
export type StoredCredential = CredentialRow & { turn: number };

const COLUMNS = [
  ...['agent_id', 'display_name', 'api_key', 'api_base_url', 'classification', 'privacy_tier'],
  ...['capabilities', 'skills', 'transport_type', 'transport_config', 'is_active', 'last_used_at'],
  ...['key_issued_at', 'created_at', 'updated_at', 'turn'],
];
const PUT = `INSERT OR REPLACE INTO credentials (${COLUMNS}) VALUES (${COLUMNS.map((name) => `:${name}`)})`;
export const NEXT_TURN = '(SELECT ifnull(max(turn), 0) + 1 FROM credentials)';

/** The rows of the credentials, and the machine key that opens them. What changes something is called inside a write. */
export class CredentialTable {
  readonly db: Database;
  readonly #machineKey: MachineKey;

  constructor(db: Database, machineKey: MachineKey) {
    this.db = db;
    this.#machineKey = machineKey;
  }

  find(agentId: string): StoredCredential | undefined {
    return this.db.sql('SELECT * FROM credentials WHERE agent_id = ?').get(agentId) as unknown as
      | StoredCredential
      | undefined;
  }

  /** Throws `E_NOT_FOUND_AGENT`. */
  existing(agentId: string): StoredCredential {
    const row = this.find(agentId);
    if (!row) throw agentNotFound(agentId);
    return row;
  }

  /** In order of their ids. */
  all(): StoredCredential[] {
    return this.db.sql('SELECT * FROM credentials ORDER BY agent_id').all() as unknown as StoredCredential[];
  }

  /** Throws `E_NOT_FOUND_AGENT` and `E_CREDENTIAL_UNREADABLE`. */
  read(agentId: string): AgentCredential {
    return fromRow(this.existing(agentId), this.keyForReading());
  }

  put(credential: AgentCredential, turn: number): void {
    this.putRow({ ...toRow(credential, this.keyForReading()), turn });
  }

  putRow(row: StoredCredential): void {
    this.db.sql(PUT).run({ ...row });
  }

  nextTurn(): number {
    return (this.db.sql(`SELECT ${NEXT_TURN} AS turn`).get() as { turn: number }).turn;
  }

  /** Throws `E_MACHINE_KEY_MISSING`. */
  keyForReading(): Buffer {
    const machineKey = this.#machineKey.read();
    if (machineKey) return machineKey;
    throw new CleoError(
      'E_MACHINE_KEY_MISSING',
      `${this.#machineKey.file}: the machine key is gone, and with it the credentials in ${this.db.file}`,
      {
        hint: 'Restore the file from a backup, or remove the agents (cleo agent remove ID) and register them again.',
        details: { file: this.#machineKey.file },
      },
    );
  }

  /** A new key is made only where nothing would become unreadable by it. */
  keyForWriting(): Buffer {
    const machineKey = this.#machineKey.read();
    if (machineKey) return machineKey;
    // Who stored a credential had a key: if another process did so just now, its key can be read now.
    const stored = this.db.sql('SELECT 1 FROM credentials LIMIT 1').get();
    return stored ? this.keyForReading() : this.#machineKey.create();
  }
}
