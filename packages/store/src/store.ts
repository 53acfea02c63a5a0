import { join, resolve } from 'node:path';
import { type AgentRegistryAPI, CleoError, errorText, type KeyIssuer } from '@cleocode/contracts';
import { openDatabase, type WatchOptions, watchDatabase } from '@cleocode/sqlite';
import { checkedAgentId } from './agent-id.ts';
import { CredentialBackup } from './credential-backup.ts';
import { CredentialTable } from './credential-table.ts';
import { DeadLetters } from './dead-letters.ts';
import { DurableJournal } from './journal.ts';
import { MachineKey, resolveDataDir } from './machine-key.ts';
import { CredentialRegistry } from './registry.ts';
import { withOrigin } from './registry-origin.ts';
import { restore, restored } from './restore.ts';
import { DEFAULT_RETENTION, type RetentionLimits } from './retention.ts';
import { RotationSteps } from './rotation-steps.ts';
import { Rotator } from './rotator.ts';
import { migrations } from './schema.ts';
import { SetAside } from './set-aside.ts';

/** Where a store keeps what, and for how long. */
export interface StoreOptions {
  /** The state folder; the database is `state.db` in it. */
  dir: string;
  /** Make the folder and the database when missing. Default `true`. */
  create?: boolean;
  /** How `registry.rotateKey` gets a new key from a caller that brings no issuer. */
  issuer?: KeyIssuer | undefined;
  /** Where the machine key lies. Default: `CLEO_DATA_DIR`, else the user's data folder of the platform. */
  dataDir?: string | undefined;
  /** How long the journal remembers finished keys. */
  retention?: Partial<RetentionLimits>;
  /** Hears of credentials that were put back from their backup, and of a backup that cannot be written. Default: a process warning. */
  onWarning?: ((warning: CleoError) => void) | undefined;
}

/** The registry of a store, which tells of rotations and can be asked for another key. */
export type StoreRegistry = Required<AgentRegistryAPI> & Pick<CredentialRegistry, 'useAnother'>;

/** An open `state.db`: the credentials of all agents of the folder, and a journal for each. */
export interface Store {
  readonly file: string;
  readonly registry: StoreRegistry;
  /** Throws `E_AGENT_ID_INVALID`. */
  journalFor(agentId: string): DurableJournal;
  /** Throws `E_AGENT_ID_INVALID`. */
  deadLettersFor(agentId: string): DeadLetters;
  /** Throws `E_AGENT_ID_INVALID`. */
  setAsideFor(agentId: string): SetAside;
  /** Runs `onChange` after another process, or another `openStore`, wrote to the file. Returns the function that ends it. */
  watch(onChange: () => void, options?: WatchOptions): () => void;
  /** Waits for what is being written. Further calls reject with `E_STORAGE_CLOSED`. */
  close(): Promise<void>;
}

/**
 * Opens the store of a state folder. Credentials that the database has lost are put back from their backup. Rejects with
 * `E_STORAGE_…` when the database cannot be used.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { dir, create = true, onWarning = warn } = options;
  const file = join(dir, 'state.db');
  const backup = new CredentialBackup(dir);
  const database = await openDatabase(file, { migrations, create }).catch((error) => {
    throw CleoError.is(error, 'E_STORAGE_CORRUPT') && backup.load()
      ? damaged(error, file, backup.file)
      : error;
  });
  const dataDir = resolveDataDir(options.dataDir);
  const credentials = new CredentialTable(database, new MachineKey(dataDir));
  const onChanged = async (what?: { forget: boolean }): Promise<void> => {
    try {
      // Inside a write, so that processes do it one after another.
      await database.write(() =>
        backup.save({ credentials: credentials.all(), rotations: steps.all() }, what),
      );
    } catch (error) {
      // Stored just before the end; the next change is kept with it.
      if (CleoError.is(error, 'E_STORAGE_CLOSED')) return;
      onWarning(notBackedUp(backup.file, error));
    }
  };
  const steps = new RotationSteps(credentials, onChanged);
  const agentIds = await restore(credentials, steps, backup);
  if (agentIds.length > 0) onWarning(restored(file, agentIds));
  const rotator = new Rotator(steps, join(dir, 'run', 'rotation'), options.issuer);
  const retention = { ...DEFAULT_RETENTION, ...options.retention };
  return {
    file: database.file,
    registry: withOrigin(new CredentialRegistry({ credentials, steps, rotator, onChanged }), {
      dir: resolve(dir),
      dataDir,
      ...(options.issuer && { issuer: options.issuer }),
    }),
    journalFor: (agentId) => new DurableJournal(database, checkedAgentId(agentId), retention),
    deadLettersFor: (agentId) => new DeadLetters(database, checkedAgentId(agentId)),
    setAsideFor: (agentId) => new SetAside(database, checkedAgentId(agentId)),
    watch: (onChange, watchOptions) => watchDatabase(database, onChange, watchOptions),
    close: () => database.close(),
  };
}

function damaged(error: CleoError, file: string, backupFile: string): CleoError {
  return new CleoError(error.code, error.message, {
    hint: `Move ${file} and the files beside it that begin with its name away, and start again: the credentials come back from ${backupFile}. What was being handled may come again.`,
    details: { ...error.details, backupFile },
    cause: error.cause,
  });
}

function notBackedUp(file: string, cause: unknown): CleoError {
  return new CleoError('E_CREDENTIALS_BACKUP', `${file}: cannot be written: ${errorText(cause)}`, {
    hint: 'Give this user write permission on the folder. The credentials themselves are stored.',
    details: { file },
    cause,
  });
}

function warn({ code, message, hint = '' }: CleoError): void {
  process.emitWarning(`${message} ${hint}`.trim(), { code });
}
