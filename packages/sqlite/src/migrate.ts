import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { CleoError } from '@cleocode/contracts';
import { isBusy } from './errors.ts';

const DEADLINE_MS = 5_000;

/** The size limit is what the log shrinks to after a slow reader made it grow; without one it keeps its largest size. */
const SETUP = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA foreign_keys = ON;
  PRAGMA journal_size_limit = 8388608;`;

/** Sets the connection up and brings the schema to the newest version; safe when several processes start at once. */
export async function migrate(
  connection: DatabaseSync,
  file: string,
  migrations: readonly string[],
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    try {
      connection.exec(SETUP);
      if (version(connection) < migrations.length) upgrade(connection, migrations);
      break;
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      await sleep(5 + Math.random() * 20);
    }
  }
  const found = version(connection);
  if (found > migrations.length)
    throw new CleoError(
      'E_STORAGE_NEWER',
      `${file}: written by a newer version (schema ${found}, this version knows ${migrations.length})`,
      { hint: 'Upgrade this installation, or use another folder.', details: { file } },
    );
}

function upgrade(connection: DatabaseSync, migrations: readonly string[]): void {
  connection.exec('BEGIN IMMEDIATE');
  try {
    // Read again under the lock: another process may have just done it.
    for (const script of migrations.slice(version(connection))) connection.exec(script);
    if (version(connection) < migrations.length)
      connection.exec(`PRAGMA user_version = ${migrations.length}`);
    connection.exec('COMMIT');
  } catch (error) {
    if (connection.isTransaction) connection.exec('ROLLBACK');
    throw error;
  }
}

function version(connection: DatabaseSync): number {
  return (connection.prepare('PRAGMA user_version').get() as { user_version: number }).user_version;
}
