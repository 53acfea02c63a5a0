/** What a release is compared with, and which packages changed since then without a changeset that names them. */
import { execFileSync } from 'node:child_process';

export interface Base {
  /** A commit, or `undefined` where nothing was ever released. */
  commit?: string;
  /** For the reader. */
  name: string;
  /** Only the changesets since the base count: those before it tell of somebody else's change. */
  ownChangesets: boolean;
}

export type Bump = 'none' | 'patch' | 'minor' | 'major';

export interface Changeset {
  id: string;
  bumps: Map<string, Bump>;
}

export interface Unnamed {
  name: string;
  files: string[];
}

/**
 * A branch is compared with where it left `wanted`, or `origin/main` when nothing is said. On main itself the last
 * release tag counts, and before the first release every package is new.
 */
export function releaseBase(workspace: string, wanted?: string): Base {
  const head = git(workspace, 'rev-parse', 'HEAD');
  const main = tryGit(workspace, 'rev-parse', '--verify', '--quiet', wanted ?? 'origin/main');
  if (wanted && !main) throw new Error(`The base ${wanted} is not in this repository: fetch it first.`);
  const left = main && tryGit(workspace, 'merge-base', main, 'HEAD');
  if (main && !left)
    throw new Error(`No commit is shared with ${wanted ?? 'origin/main'}: fetch the whole history first.`);
  if (left && left !== head) {
    return { commit: left, name: `${wanted ?? 'origin/main'} at ${left.slice(0, 7)}`, ownChangesets: true };
  }
  const tags = git(workspace, 'tag', '--merged', 'HEAD', '--sort=-creatordate', '--list', '@cleocode/*@*');
  const [tag] = tags.split('\n');
  if (tag) return { commit: git(workspace, 'rev-parse', `${tag}^{commit}`), name: tag, ownChangesets: false };
  return { name: 'nothing: no release is tagged, so every package is new', ownChangesets: false };
}

/** Those of a commit that the base lacks, or all where older ones count too. */
export function changesets(workspace: string, base: Base): Changeset[] {
  const before = base.ownChangesets ? new Set(list(workspace, base.commit!, '.changeset/')) : new Set();
  return list(workspace, 'HEAD', '.changeset/')
    .filter((file) => file.endsWith('.md') && !file.endsWith('/README.md') && !before.has(file))
    .map((file) => {
      const [, front = ''] = /^---\n(.*?)^---$/ms.exec(git(workspace, 'show', `HEAD:${file}`)) ?? [];
      const bumps = [...front.matchAll(/^["']?([^"'\s:]+)["']?:\s*(none|patch|minor|major)\s*$/gm)];
      return {
        id: file.slice('.changeset/'.length, -'.md'.length),
        bumps: new Map(bumps.map(([, name, bump]) => [name!, bump as Bump])),
      };
    });
}

/**
 * Packages whose code or published manifest differs from the base, without a changeset. A package whose version moved
 * is being released: its changesets are gone into the changelog. A README alone waits for the next release.
 */
export function unnamed(workspace: string, base: Base): Unnamed[] {
  const named = new Set(changesets(workspace, base).flatMap(({ bumps }) => [...bumps.keys()]));
  return list(workspace, 'HEAD', 'packages/')
    .filter((file) => /^packages\/[^/]+\/package\.json$/.test(file))
    .flatMap((file) => {
      const manifest = JSON.parse(git(workspace, 'show', `HEAD:${file}`));
      const before = base.commit && tryGit(workspace, 'show', `${base.commit}:${file}`);
      const old = before ? JSON.parse(before) : { version: '0.0.0' };
      if (manifest.private || named.has(manifest.name) || manifest.version !== old.version) return [];
      const folder = file.slice(0, -'/package.json'.length);
      // `dist` comes from `src`; the rest is published as it is.
      const others = ((manifest.files ?? []) as string[]).filter((entry) => /^(?!!|dist\b)/.test(entry));
      const paths = ['src', ...others].map((path) => `${folder}/${path}`);
      const files = before
        ? [
            ...git(workspace, 'diff', '--name-only', base.commit!, 'HEAD', '--', ...paths)
              .split('\n')
              .filter((changed) => changed !== '' && !/\.test\.|\/(fixtures|__\w+__)\//.test(changed)),
            ...(published(manifest) === published(old) ? [] : [file]),
          ]
        : [file];
      return files.length > 0 ? [{ name: manifest.name as string, files }] : [];
    });
}

/** What of a manifest matters to who installs the package. */
function published({ devDependencies: _, scripts: __, ...rest }: Record<string, unknown>): string {
  return JSON.stringify(rest);
}

function list(workspace: string, commit: string, folder: string): string[] {
  return git(workspace, 'ls-tree', '-r', '--name-only', commit, folder)
    .split('\n')
    .filter((file) => file !== '');
}

function git(workspace: string, ...args: string[]): string {
  const stdio = ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'];
  return execFileSync('git', args, { cwd: workspace, encoding: 'utf8', stdio, maxBuffer: 64 << 20 }).trim();
}

function tryGit(workspace: string, ...args: string[]): string | undefined {
  try {
    return git(workspace, ...args) || undefined;
  } catch {
    return undefined;
  }
}
