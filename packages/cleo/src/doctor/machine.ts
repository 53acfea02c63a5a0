import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Check, error, type Finding, ok, warning } from './finding.ts';

/** What package.json asks for as well. */
const OLDEST_NODE = [22, 19] as const;
const LOW_BYTES = 200 * 2 ** 20;
const FULL_BYTES = 20 * 2 ** 20;
const LOW_FILES = 1_000;

/** Node, and the disk that the state folder is on or will be. */
export function machineChecks(stateDir: string): Check[] {
  return [
    { check: 'node', look: () => [nodeVersion(process.versions.node)] },
    { check: 'disk', look: async () => [await disk(stateDir)] },
  ];
}

export function nodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldest, oldestMinor] = OLDEST_NODE;
  if (major > oldest || (major === oldest && minor >= oldestMinor)) return ok('node', `Node ${version}`);
  return error(
    'node',
    `Node ${version} is too old: ${oldest}.${oldestMinor} or later is needed`,
    'Install a supported Node: https://nodejs.org',
  );
}

async function disk(stateDir: string): Promise<Finding> {
  let folder = stateDir;
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize, files, ffree } = await statfs(folder);
  const free = bavail * bsize;
  const space = `${inBytes(free)} free on the disk of ${folder}`;
  const cure = 'Free some space. What cannot be written is not acknowledged, and work resumes by itself.';
  if (free < FULL_BYTES) return error('disk', `only ${space}`, cure);
  // A file system without a limit on files tells of none.
  if (files > 0 && ffree < LOW_FILES)
    return warning('disk', `room for only ${ffree} more files on the disk of ${folder}`, cure);
  return free < LOW_BYTES ? warning('disk', `only ${space}`, cure) : ok('disk', space);
}

export function inBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
