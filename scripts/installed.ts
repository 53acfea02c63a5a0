/** A package in an empty project of its own, with what npm brings for it and nothing else. */
import { globSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { brings, type Packed, readJson, run, writeJson } from './packed.ts';

export interface Installed {
  /** The project; `node_modules` is inside. */
  folder: string;
  /** Of all files in `node_modules`. */
  bytes: number;
  /** How many packages were brought, the package itself not counted. */
  brought: number;
  /** What of `@cleocode/*` is there and should not be, or is missing, or came from elsewhere. */
  problems: string[];
}

/**
 * Writes a project with these dependencies and installs them. Every `@cleocode/*` comes from its tarball, those that others bring
 * as well: the overrides keep npm from asking a registry for one. A dependency without a range is one of `packages`.
 */
export async function installFrom(
  packages: Packed[],
  folder: string,
  dependencies: Record<string, string | undefined>,
): Promise<void> {
  const tarball = new Map(packages.map(({ manifest, tarball }) => [manifest.name, `file:${tarball}`]));
  mkdirSync(folder, { recursive: true });
  writeJson(join(folder, 'package.json'), {
    private: true,
    type: 'module',
    dependencies: Object.fromEntries(
      Object.entries(dependencies).map(([name, range]) => [name, range ?? tarball.get(name)]),
    ),
    overrides: Object.fromEntries(
      [...tarball].map(([name, file]) => [name, name in dependencies ? `$${name}` : file]),
    ),
  });
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  await run('npm', ['install', ...quiet], folder);
}

/** With `extras` beside it the folder holds two installs, one after the other. */
export async function installAlone(
  one: Packed,
  packages: Packed[],
  folder: string,
  extras: Packed[] = [],
): Promise<Installed> {
  const wanted = [one, ...extras];
  const expected = new Set([...wanted, ...wanted.flatMap((other) => brings(other, packages))]);
  await installFrom(
    packages,
    folder,
    Object.fromEntries(wanted.map(({ manifest }) => [manifest.name, undefined])),
  );

  const lock = readJson<{ packages: Record<string, { resolved?: string }> }>(
    join(folder, 'package-lock.json'),
  );
  const paths = Object.keys(lock.packages).filter((path) => path !== '');
  const own = paths.filter((path) => /(^|\/)@cleocode\/[^/]+$/.test(path));
  const names = new Set([...expected].map(({ manifest }) => manifest.name));
  return {
    folder,
    bytes: bytesIn(join(folder, 'node_modules')),
    brought: paths.length - 1,
    problems: [
      ...own
        .filter((path) => !lock.packages[path]?.resolved?.startsWith('file:'))
        .map((path) => `${path} came from ${lock.packages[path]?.resolved}, not from its tarball`),
      ...own
        .filter((path) => !names.delete(path.replace(/^.*node_modules\//, '')))
        .map((path) => `${path} is there, but nothing declares it, or it is there twice`),
      ...[...names].map((name) => `${name} is declared, but npm did not bring it`),
    ],
  };
}

/** What stands in the README of a package about its size, and what `measure:packages` writes there. */
export interface Footprint {
  bytes: number;
  brought: number;
  importMs: number;
  bareMs: number;
}

const LINE = /^Installed: ([\d.]+) MB(?: with (\d+) packages?)?; import: (\d+) ms \(bare Node: (\d+) ms\)$/m;

export function footprintLine({ bytes, brought, importMs, bareMs }: Footprint): string {
  const others = brought === 0 ? '' : ` with ${brought} package${brought === 1 ? '' : 's'}`;
  return `Installed: ${(bytes / 1e6).toFixed(1)} MB${others}; import: ${importMs} ms (bare Node: ${bareMs} ms)`;
}

export function footprintOf(readme: string): Footprint | undefined {
  const [, megabytes, brought, importMs, bareMs] = LINE.exec(readme) ?? [];
  return megabytes === undefined
    ? undefined
    : {
        bytes: Number(megabytes) * 1e6,
        brought: Number(brought ?? 0),
        importMs: Number(importMs),
        bareMs: Number(bareMs),
      };
}

/** The line where it stands, or else after the first block of commands: that is how to install the package. */
export function withFootprint(readme: string, footprint: Footprint): string {
  const line = footprintLine(footprint);
  if (LINE.test(readme)) return readme.replace(LINE, line);
  return readme.replace(/^```sh\n[^`]*\n```\n/m, (install) => `${install}\n${line}\n`);
}

function bytesIn(folder: string): number {
  return globSync('**/*', { cwd: folder, exclude: ['.package-lock.json'] })
    .map((file) => statSync(join(folder, file)))
    .filter((stats) => stats.isFile())
    .reduce((sum, { size }) => sum + size, 0);
}
