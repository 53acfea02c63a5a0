import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/**
 * The folder that holds an agent's state: `CLEO_DIR` when set, else the nearest `.cleo` from `cwd` upwards, else
 * `.cleo` in `cwd`, which need not exist yet.
 */
export function resolveStateDir(cwd: string = process.cwd(), env: NodeJS.ProcessEnv = process.env): string {
  if (env.CLEO_DIR) return resolve(cwd, env.CLEO_DIR);
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const candidate = join(folder, '.cleo');
    if (statSync(candidate, { throwIfNoEntry: false })?.isDirectory()) return candidate;
    if (dirname(folder) === folder) return resolve(cwd, '.cleo');
  }
}
