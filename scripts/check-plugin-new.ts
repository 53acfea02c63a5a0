/**
 * Follows somebody who writes a plugin: `cleo plugin new` of the packed command, in an empty folder outside the workspace, then
 * npm's install, test and pack there, with the tarballs in the place of a registry.
 */
import { globSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { type Packed, readJson, run, writeJson } from './packed.ts';

type Check = (name: string, body: () => Promise<string[]>) => Promise<boolean>;
type Ranges = Record<string, string>;

interface Manifest {
  dependencies: Ranges;
  devDependencies: Ranges;
  peerDependencies: Ranges;
}

const KINDS = [['answer'], ['@acme/pigeon', '--transport']];

/** `consumer` is a project in which the command is installed. Answers the tarball of the plugin, if it could be packed. */
export async function checkPluginNew(
  packages: Packed[],
  consumer: string,
  check: Check,
): Promise<string | undefined> {
  const tarballs = new Map<string, string>();
  await Promise.all(
    KINDS.map((args) =>
      check(`cleo plugin new ${args.join(' ')}: installs, passes its tests, builds, packs`, async () => {
        const cwd = mkdtempSync(join(consumer, '..', 'author-'));
        const cleo = join(consumer, 'node_modules/.bin/cleo');
        const answer = await run(cleo, ['plugin', 'new', ...args, '--json'], cwd);
        const { dir } = JSON.parse(answer) as { dir: string };
        const wrong = takeTarballs(dir, packages);
        const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
        await run('npm', ['install', ...quiet], dir);
        await run('npm', ['test'], dir);
        const { tarball, problems } = await packs(dir);
        tarballs.set(args[0]!, tarball);
        return [...wrong, ...problems];
      }),
    ),
  );
  return tarballs.get('answer');
}

/** Answers which of its ranges do not fit what is about to be published. */
function takeTarballs(dir: string, packages: Packed[]): string[] {
  const file = join(dir, 'package.json');
  const manifest = readJson<Manifest>(file);
  const wrong: string[] = [];
  for (const { manifest: own, tarball } of packages)
    for (const list of ['dependencies', 'devDependencies', 'peerDependencies'] as const) {
      const range = manifest[list][own.name];
      if (range === undefined) continue;
      if (range !== `^${own.version}`) wrong.push(`${list}: ${own.name} is ${range}, not ^${own.version}`);
      manifest[list][own.name] = list === 'peerDependencies' ? '*' : `file:${tarball}`;
    }
  // Also what the tarballs ask for comes from a tarball.
  const direct = { ...manifest.dependencies, ...manifest.devDependencies };
  const overrides = packages.map(({ manifest: { name }, tarball }) => [
    name,
    name in direct ? `$${name}` : `file:${tarball}`,
  ]);
  writeJson(file, { ...manifest, overrides: Object.fromEntries(overrides) });
  return wrong;
}

/** What `npm publish` would upload; its `prepack` builds it. */
async function packs(dir: string): Promise<{ tarball: string; problems: string[] }> {
  const printed = await run('npm', ['pack', '--json'], dir);
  const files = [...printed.matchAll(/"path": "([^"]+)"/g)].map(([, path]) => path!);
  const [tarball] = globSync('*.tgz', { cwd: dir });
  const problems = [
    ...['dist/index.js', 'dist/index.d.ts', 'README.md', 'LICENSE', 'CHANGELOG.md']
      .filter((file) => !files.includes(file))
      .map((file) => `${file} is not packed`),
    ...files.filter((file) => /\.test\.|^src\/|tsconfig/.test(file)).map((file) => `${file} is packed`),
  ];
  return { tarball: join(dir, tarball!), problems };
}
