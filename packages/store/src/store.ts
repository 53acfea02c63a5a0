import { join } from 'node:path';
import type { AgentRegistryAPI, Journal } from '@cleocode/contracts';
import { openDatabase, type WatchOptions, watchDatabase } from '@cleocode/sqlite';
import { checkedAgentId } from './agent-id.ts';
import { DeadLetters } from './dead-letters.ts';
import { DurableJournal } from './journal.ts';
import { MachineKey, resolveDataDir } from './machine-key.ts';
import { CredentialRegistry, type Rotate } from './registry.ts';
import { DEFAULT_RETENTION, type RetentionLimits } from './retention.ts';
import { migrations } from './schema.ts';

export interface StoreOptions {
  /** The state folder; the database is `state.db` in it. */
  dir: string;
  /** Make the folder and the database when missing. Default `true`. */
  create?: boolean;
  /** How `registry.rotateKey` gets a new key. Without it, that method rejects with `E_ROTATE_UNAVAILABLE`. */
  rotate?: Rotate | undefined;
  /** Where the machine key lies. Default: `CLEO_DATA_DIR`, else the user's data folder of the platform. */
  dataDir?: string | undefined;
  /** How long the journal remembers finished keys. */
  retention?: Partial<RetentionLimits>;
}

/** An open `state.db`: the credentials of all agents of the folder, and a journal for each. */
export interface Store {
  readonly file: string;
  readonly registry: AgentRegistryAPI;
  /** Throws `E_AGENT_ID_INVALID`. */
  journalFor(agentId: string): Journal;
  /** Throws `E_AGENT_ID_INVALID`. */
  deadLettersFor(agentId: string): DeadLetters;
  /** Runs `onChange` after another process, or another `openStore`, wrote to the file. Returns the function that ends it. */
  watch(onChange: () => void, options?: WatchOptions): () => void;
  /** Waits for what is being written. Further calls reject with `E_STORAGE_CLOSED`. */
  close(): Promise<void>;
}

/** Opens the store of a state folder. Rejects with `E_STORAGE_…` when the database cannot be used. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const database = await openDatabase(join(options.dir, 'state.db'), {
    migrations,
    create: options.create ?? true,
  });
  const machineKey = new MachineKey(resolveDataDir(options.dataDir));
  const retention = { ...DEFAULT_RETENTION, ...options.retention };
  return {
    file: database.file,
    registry: new CredentialRegistry(database, machineKey, options.rotate),
    journalFor: (agentId) => new DurableJournal(database, checkedAgentId(agentId), retention),
    deadLettersFor: (agentId) => new DeadLetters(database, checkedAgentId(agentId)),
    watch: (onChange, watchOptions) => watchDatabase(database, onChange, watchOptions),
    close: () => database.close(),
  };
}
