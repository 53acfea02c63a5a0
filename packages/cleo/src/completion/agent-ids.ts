import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** A store that is being written to is waited for no longer than this, in milliseconds. */
const BUSY_MS = 50;

/**
 * The ids of the agents registered for a folder. Kernel and store know how to find and read them, and take longer to load than
 * a shell that completes a word may take: this is as much of them as it needs, and a test keeps it equal to them. Makes nothing
 * and changes nothing.
 */
export function agentIds(cwd: string, env: NodeJS.ProcessEnv = process.env): string[] {
  const file = join(stateDir(cwd, env), 'state.db');
  if (!existsSync(file)) return [];
  const database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_MS });
  try {
    const rows = database.prepare('SELECT agent_id FROM credentials ORDER BY agent_id').all();
    return rows.map((row) => String(row.agent_id));
  } finally {
    database.close();
  }
}

function stateDir(cwd: string, env: NodeJS.ProcessEnv): string {
  if (env.CLEO_DIR) return resolve(cwd, env.CLEO_DIR);
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const candidate = join(folder, '.cleo');
    if (existsSync(candidate) || dirname(folder) === folder) return candidate;
  }
}
