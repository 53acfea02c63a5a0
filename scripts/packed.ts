/** The public packages as npm gets them, and what scripts need to try them. */
import { execFile } from 'node:child_process';
import { globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Manifest {
  name: string;
  version: string;
  private?: boolean;
  exports?: Record<string, string | Record<string, string>>;
  bin?: Record<string, string>;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

export interface Packed {
  manifest: Manifest;
  /** In the workspace, relative to its root. */
  source: string;
  tarball: string;
  /** Where the tarball was unpacked. */
  folder: string;
  /** Relative to `folder`, with forward slashes. */
  files: string[];
}

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Tools are those of the lockfile, the Node among them, and they speak plainly. */
export function usePinnedTools(): void {
  process.env.NO_COLOR = '1';
  process.env.PATH = [dirname(process.execPath), join(root, 'node_modules/.bin'), process.env.PATH].join(
    delimiter,
  );
}

/** From nothing: a file left in `dist` by deleted source would be published. */
export async function build(workspace = root, args: string[] = []): Promise<void> {
  for (const left of globSync('packages/*/{dist,tsconfig.tsbuildinfo}', { cwd: workspace })) {
    rmSync(join(workspace, left), { recursive: true });
  }
  await run('tsc', ['-b', ...args], workspace);
}

/** The public packages of a workspace that is built, packed and unpacked below `temporary`. */
export async function pack(temporary: string, workspace = root): Promise<Packed[]> {
  const tarballs = join(temporary, 'tarballs');
  await run(
    'npx',
    // What is installed is what the script itself runs on: no need to look again.
    [
      '-y',
      'pnpm@12',
      '--config.verify-deps-before-run=false',
      '-r',
      '--filter',
      './packages/*',
      'pack',
      '--pack-destination',
      tarballs,
    ],
    workspace,
  );
  return Promise.all(
    manifests(workspace).map(async ({ source, manifest: { name, version } }) => {
      const base = `${name.replace('@', '').replace('/', '-')}-${version}`;
      const tarball = join(tarballs, `${base}.tgz`);
      const folder = join(temporary, 'unpacked', base);
      mkdirSync(folder, { recursive: true });
      await run('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1'], workspace);
      return {
        source,
        tarball,
        folder,
        manifest: readJson<Manifest>(join(folder, 'package.json')),
        files: readdirSync(folder, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) =>
            join(entry.parentPath, entry.name)
              .slice(folder.length + 1)
              .replaceAll('\\', '/'),
          ),
      };
    }),
  );
}

/** The public packages of a workspace, sorted by folder. */
export function manifests(workspace = root): { source: string; manifest: Manifest }[] {
  return globSync('packages/*/package.json', { cwd: workspace })
    .sort()
    .map((file) => ({
      source: dirname(file).replaceAll('\\', '/'),
      manifest: readJson<Manifest>(join(workspace, file)),
    }))
    .filter(({ manifest }) => !manifest.private);
}

/** The `@cleocode/*` packages that npm brings with one: what it declares, what those declare, and so on. */
export function brings(one: Packed, packages: Packed[]): Packed[] {
  const found = new Set<Packed>();
  const add = ({ manifest }: Packed) => {
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
      const next = packages.find((other) => other.manifest.name === name);
      if (!next || next === one || found.has(next)) continue;
      found.add(next);
      add(next);
    }
  };
  add(one);
  return [...found];
}

export function entryPoints({ manifest }: Pick<Packed, 'manifest'>): string[] {
  return Object.keys(manifest.exports ?? {}).map((path) => manifest.name + path.slice(1));
}

interface RunOptions {
  env?: NodeJS.ProcessEnv;
  timeoutMs?: number;
}

/** Standard output, trimmed; throws with everything the command printed when it fails or takes too long. */
export function run(
  command: string,
  args: string[],
  cwd: string,
  { env = process.env, timeoutMs = 180_000 }: RunOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env, timeout: timeoutMs, maxBuffer: 64 << 20 };
    execFile(command, args, options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout.trim());
      const how = error.killed ? `took over ${timeoutMs / 1000} s` : `failed (${error.code ?? error.signal})`;
      reject(new Error(`${command} ${args.join(' ')} ${how}\n${stdout}${stderr}`, { cause: error }));
    });
  });
}

export function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

export function writeJson(file: string, value: unknown): void {
  writeFileSync(file, JSON.stringify(value, undefined, 2));
}
