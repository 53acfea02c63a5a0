import { CleoError } from '@cleocode/contracts';
import type { CredentialBackup } from './credential-backup.ts';
import { fromRow } from './credential-row.ts';
import type { CredentialTable, StoredCredential } from './credential-table.ts';
import type { RotationSteps } from './rotation-steps.ts';

/**
 * Puts back what the database has lost and the backup has: credentials that cannot be read any more, or all of them where
 * there are none. What the machine key cannot open is left as it is, for its reader to meet. Answers whose were put back.
 */
export async function restore(
  table: CredentialTable,
  steps: RotationSteps,
  backup: CredentialBackup,
): Promise<string[]> {
  const lost = lostOf(table, backup);
  if (lost.length === 0) return [];
  return table.db.write(() => {
    // Another process may have just done it.
    const still = lostOf(table, backup);
    const rotations = backup.load()?.rotations ?? [];
    for (const row of still) {
      table.putRow(row);
      steps.clear(row.agent_id);
      const rotation = rotations.find(({ agent_id }) => agent_id === row.agent_id);
      if (rotation) steps.restore(rotation);
    }
    return still.map(({ agent_id }) => agent_id);
  });
}

export function restored(file: string, agentIds: readonly string[]): CleoError {
  return new CleoError(
    'E_CREDENTIALS_RESTORED',
    `${file}: the credential of ${agentIds.map((id) => `"${id}"`).join(', ')} was lost or damaged, and was put back`,
    {
      hint: 'Look at the disk. If the key was changed since, the backend refuses it: register the newest one.',
      details: { file, agentIds },
    },
  );
}

function lostOf(table: CredentialTable, backup: CredentialBackup): StoredCredential[] {
  const rows = table.all();
  const isReadable = reader(table);
  const damaged = rows.filter((row) => !isReadable(row)).map(({ agent_id }) => agent_id);
  if (rows.length > 0 && damaged.length === 0) return [];
  const kept = backup.load()?.credentials ?? [];
  return kept.filter((row) => isReadable(row) && (rows.length === 0 || damaged.includes(row.agent_id)));
}

/** Nothing is readable without the machine key, whatever is the matter with that. */
function reader(table: CredentialTable): (row: StoredCredential) => boolean {
  let machineKey: Buffer | undefined;
  return (row) => {
    try {
      machineKey ??= table.keyForReading();
      fromRow(row, machineKey);
      return true;
    } catch {
      return false;
    }
  };
}
