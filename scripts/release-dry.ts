/**
 * Shows what the next release would publish, in a copy of the last commit: each package with its versions, its tarball
 * and why. Exits 1 when a package changed without a changeset that names it, or when a version says less than it should.
 * `--base REF` compares with where the branch left REF.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  build,
  type Manifest,
  manifests,
  pack,
  readJson,
  root,
  run,
  usePinnedTools,
  writeJson,
} from './packed.ts';
import { type Changeset, changesets, releaseBase, unnamed } from './release-base.ts';

interface Release {
  name: string;
  from: string;
  to: string;
  peers: string[];
  depends: string[];
}

const { values } = parseArgs({ options: { base: { type: 'string' } } });
const problems: string[] = [];
const temporary = mkdtempSync(join(tmpdir(), 'cleo-release-'));
usePinnedTools();

try {
  const base = releaseBase(root, values.base);
  console.log(`Compared with ${base.name}.`);
  for (const { name, files } of unnamed(root, base)) {
    const shown = files.slice(0, 5).join(', ') + (files.length > 5 ? ` and ${files.length - 5} more` : '');
    problems.push(
      `${name} changed (${shown}), and no changeset names it: write one with \`npx -y pnpm@12 changeset\`, or name it in one with \`none\` when users will not notice.`,
    );
  }
  const all = changesets(root, { ...base, ownChangesets: false });
  const copy = join(temporary, 'copy');
  const releases = await version(copy, base.commit, all.length > 0);
  problems.push(...tooSmall(releases, all));
  await show(copy, releases, all);
  noteUncommitted();
} catch (error) {
  problems.push((error as Error).message);
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
for (const problem of problems) console.log(`FAIL  ${problem}`);
process.exitCode = problems.length > 0 ? 1 : 0;

/** What has another version than at the base, once `changeset version` has run in a copy of the last commit. */
async function version(copy: string, base: string | undefined, pending: boolean): Promise<Release[]> {
  await run('git', ['clone', '--quiet', root, copy], temporary);
  const install = ['install', '--prefer-offline', '--frozen-lockfile', '--ignore-scripts'];
  await run('npx', ['-y', 'pnpm@12', ...install], copy);
  if (git('rev-parse', '--is-shallow-repository') === 'true') withoutChangelogs(copy);
  // Without any it fails, though there may be a version to publish.
  if (pending) await run('changeset', ['version'], copy);
  return manifests(copy).flatMap(({ source, manifest }) => {
    const from = versionAt(base, source) ?? '0.0.0';
    const { name, version: to, peerDependencies = {}, dependencies = {} } = manifest;
    const [peers, depends] = [Object.keys(peerDependencies), Object.keys(dependencies)];
    return to === from ? [] : [{ name, from, to, peers, depends }];
  });
}

async function show(copy: string, releases: Release[], all: Changeset[]): Promise<void> {
  if (releases.length === 0) return console.log('Nothing would be published.');
  // Types were checked elsewhere; this is about what goes into the tarballs.
  await build(copy, ['--noCheck']);
  const packed = await pack(temporary, copy);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  }).trim();
  console.log(`Of ${commit} would be published:`);
  for (const one of releases) {
    const { tarball } = packed.find(({ manifest }) => manifest.name === one.name)!;
    const size = `${(statSync(tarball).size / 1000).toFixed(0)} kB`;
    console.log(
      `  ${one.name} ${one.from} -> ${one.to}  ${basename(tarball)}, ${size}\n    ${why(one, releases, all)}`,
    );
  }
}

function why({ name, depends, peers }: Release, releases: Release[], all: Changeset[]): string {
  const ids = all.filter(({ bumps }) => (bumps.get(name) ?? 'none') !== 'none').map(({ id }) => id);
  if (ids.length > 0)
    return `${ids.slice(0, 3).join(', ')}${ids.length > 3 ? ` and ${ids.length - 3} more` : ''}`;
  const moved = releases.filter((other) => [...depends, ...peers].includes(other.name));
  return moved.length > 0
    ? `needs ${moved.map((other) => other.name).join(', ')}`
    : 'its version is in package.json';
}

/**
 * A peer that leaves the range which a released version accepts breaks who has both: that is no patch. And the first
 * number is moved by people who say so, not by a tool.
 */
function tooSmall(releases: Release[], all: Changeset[]): string[] {
  const released = releases.filter(({ from }) => from !== '0.0.0');
  const left = released
    .filter(({ from, to }) => breaks(from, to))
    .map((peer) => ({
      peer,
      holders: released.filter(({ peers, from, to }) => peers.includes(peer.name) && !breaks(from, to)),
    }))
    .filter(({ holders }) => holders.length > 0);
  const grew = released.filter(
    ({ name, from, to }) =>
      all.length > 0 && major(from) !== major(to) && !all.some(({ bumps }) => bumps.get(name) === 'major'),
  );
  return [
    ...left.map(({ peer, holders }) => {
      const lines = holders.map(
        ({ name, from }) => `\n      '${name}': ${from.startsWith('0.') ? 'minor' : 'major'}`,
      );
      return `${peer.name} ${peer.to} is beyond what these accepted as a peer until now, so it breaks who updates them: say so in its changeset.${lines.join('')}`;
    }),
    ...grew.map(
      ({ name, from, to }) => `${name} would go from ${from} to ${to}, and no changeset says major.`,
    ),
  ];
}

/** They name the commit of each changeset, which is looked for without end where history was cut. */
function withoutChangelogs(copy: string): void {
  const file = join(copy, '.changeset/config.json');
  writeJson(file, { ...readJson<object>(file), changelog: false });
}

/** As a caret range sees it. */
function breaks(from: string, to: string): boolean {
  const [[a, b], [c, d]] = [from.split('.'), to.split('.')];
  return a !== c || (a === '0' && b !== d);
}

function major(version: string): string | undefined {
  return version.split('.')[0];
}

function versionAt(commit: string | undefined, source: string): string | undefined {
  if (!commit) return undefined;
  try {
    return (JSON.parse(git('show', `${commit}:${source}/package.json`)) as Manifest).version;
  } catch {
    return undefined;
  }
}

function noteUncommitted(): void {
  const left = git('status', '--porcelain', '--', 'packages', '.changeset').split('\n').filter(Boolean);
  if (left.length > 0) console.log(`Not looked at: ${left.length} files that are not committed.`);
}

function git(...args: string[]): string {
  const stdio = ['ignore', 'pipe', 'ignore'] as ['ignore', 'pipe', 'ignore'];
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio }).trim();
}
