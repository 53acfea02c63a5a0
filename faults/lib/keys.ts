import { DatabaseSync } from 'node:sqlite';
import { openStore } from '@cleocode/store';
import type { Workbench } from './workbench.ts';

/** The handler that keeps the ledger and answers, with keys that are rotated as the environment says, or at a SIGUSR2. */
export const ROTATION = new URL('../fixtures/rotation.config.ts', import.meta.url).pathname;

/** How many keys of the agent the backend takes now. */
export function liveKeys({ dockFile }: Workbench, agentId: string): number {
  const database = new DatabaseSync(dockFile, { readOnly: true, timeout: 5_000 });
  try {
    const live = 'expires_at IS NULL OR expires_at > ? OR kept_ms IS NOT NULL';
    const count = database.prepare(`SELECT count(*) AS n FROM keys WHERE agent = ? AND (${live})`);
    return (count.get(agentId, Date.now()) as { n: number }).n;
  } finally {
    database.close();
  }
}

/** Where the rotation of the agent's key stands on disk, looked at without a change. */
export function rotationOnDisk({ stateDir }: Workbench, agentId: string): string {
  const database = new DatabaseSync(`${stateDir}/state.db`, { readOnly: true, timeout: 5_000 });
  try {
    const find = database.prepare('SELECT state FROM key_rotations WHERE agent_id = ?');
    return (find.get(agentId) as { state: string } | undefined)?.state ?? 'none';
  } finally {
    database.close();
  }
}

/** The key in the agent's store. */
export async function storedKey({ stateDir, env }: Workbench, agentId: string): Promise<string> {
  const store = await openStore({ dir: stateDir, dataDir: env.CLEO_DATA_DIR! });
  try {
    return (await store.registry.get(agentId))!.apiKey;
  } finally {
    await store.close();
  }
}
