import { readFileSync } from 'node:fs';

/**
 * How a person calls this command where it runs now, for hints they can paste: `cleo`, or through the package manager
 * whose script `cleo` it is (`npx -y pnpm@12 cleo`).
 */
export function selfCommand(
  env: NodeJS.ProcessEnv = process.env,
  folder: string = import.meta.dirname,
): string {
  const { npm_lifecycle_event: script, npm_package_json: manifest, npm_config_user_agent: agent = '' } = env;
  // npx keeps what it has fetched to run in a folder of this name.
  const fetched = (path: string) => /[/\\]_npx[/\\]/.test(path);
  if (script === 'npx') return fetched(folder) ? 'npx @cleocode/cleo' : 'npx cleo';
  if (!script || !manifest || !hasScript(manifest, 'cleo')) return 'cleo';
  const [, name = 'npm', major] = /^(\w+)\/(\d+)/.exec(agent) ?? [];
  // The package manager itself is not installed.
  if (fetched(env.npm_execpath ?? '')) return `npx -y ${name}@${major} cleo`;
  return name === 'npm' ? 'npm run cleo --' : `${name} cleo`;
}

function hasScript(manifest: string, name: string): boolean {
  try {
    const { scripts } = JSON.parse(readFileSync(manifest, 'utf8')) as { scripts?: Record<string, string> };
    return scripts?.[name] !== undefined;
  } catch {
    // Only a hint depends on it.
    return false;
  }
}
