import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { resolveDataDir } from '@cleocode/store';
import { shellWord } from '../shell-word.ts';
import { type Check, error, type Finding, ok, warning } from './finding.ts';
import { inBytes } from './machine.ts';

const LARGE_LOGS = 500 * 2 ** 20;
const KEY_BYTES = 32;
const SHOWN = 6;
/** `credentials.backup.4711.tmp`, `machine-key.4711.0a1b2c.tmp`: what a process writes before it gets its name. */
const TEMPORARY = /\.(\d+)\.(?:[0-9a-f]+\.)?tmp$/;

/** The state folder and the machine key, as files: who may read them, whose they are, what was left behind. */
export function stateFolderChecks(stateDir: string): Check[] {
  const dataDir = resolveDataDir();
  return [
    { check: 'permissions', look: () => [permissions(stateDir)] },
    { check: 'machine-key', look: () => [machineKey(dataDir, stateDir)] },
    { check: 'leftovers', look: () => [leftovers([stateDir, dataDir])] },
    { check: 'logs', look: () => logs(join(stateDir, 'logs')) },
  ];
}

function permissions(stateDir: string): Finding {
  const folder = statOf(stateDir);
  if (!folder)
    return ok(
      'permissions',
      `${stateDir} does not exist yet`,
      'It is made when the first agent is registered.',
    );
  if (!folder.isDirectory())
    return error(
      'permissions',
      `${stateDir} is no folder`,
      'Move the file away, or name another folder with CLEO_DIR.',
    );
  const paths = [stateDir, ...everythingIn(stateDir)];
  const strangers = paths.filter((path) => isSomebodyElses(statOf(path)));
  if (strangers.length > 0) return ofAnotherUser(strangers, stateDir);
  // Windows has no such modes.
  if (process.platform === 'win32') return ok('permissions', stateDir);
  const folders = paths.filter((path) => isOpen(path, true));
  const files = paths.filter((path) => isOpen(path, false));
  if (folders.length + files.length === 0) return ok('permissions', `${stateDir} is readable by you alone`);
  const cures = [
    ...(folders.length > 0 ? [`chmod 700 ${folders.map(shellWord).join(' ')}`] : []),
    ...(files.length > 0 ? [`chmod 600 ${files.map(shellWord).join(' ')}`] : []),
  ];
  return warning(
    'permissions',
    `other users may read or enter ${listed([...folders, ...files])}`,
    cures.join('\n'),
  );
}

/** Root may do everything, and leaves files that the owner may not touch. */
function ofAnotherUser(paths: readonly string[], stateDir: string): Finding {
  const isRoot = process.getuid?.() === 0;
  return (isRoot ? warning : error)(
    'permissions',
    isRoot
      ? `${listed(paths)}: another user's, who cannot use what root makes there`
      : `${listed(paths)}: another user's, whose agents cannot be run by this one`,
    `Run cleo as that user, or: chown -R ${process.getuid?.()} ${shellWord(stateDir)}`,
  );
}

function machineKey(dataDir: string, stateDir: string): Finding {
  const file = join(dataDir, 'machine-key');
  const stat = statOf(file);
  if (!stat)
    return statOf(join(stateDir, 'state.db'))
      ? error(
          'machine-key',
          `${file} is missing, and the keys in ${stateDir} cannot be read without it`,
          'Put the file back from a backup, or name its folder with CLEO_DATA_DIR. If it is lost, remove the agents (cleo agent remove ID) and register them again.',
        )
      : ok('machine-key', `${file} does not exist yet`);
  if (process.platform !== 'win32' && stat.mode & 0o077)
    return error(
      'machine-key',
      `other users may read ${file} (mode ${modeOf(stat)})`,
      `chmod 600 ${shellWord(file)}`,
    );
  if (stat.size !== KEY_BYTES)
    return error(
      'machine-key',
      `${file} is damaged: ${stat.size} bytes instead of ${KEY_BYTES}`,
      'Put the file back from a backup.',
    );
  return ok('machine-key', `${file} is readable by you alone`);
}

/** What a process that was killed had not finished. */
function leftovers(folders: readonly string[]): Finding {
  const left = folders.flatMap((folder) =>
    list(folder)
      .filter((name) => {
        const pid = TEMPORARY.exec(name)?.[1];
        return pid !== undefined && !isAlive(Number(pid));
      })
      .map((name) => join(folder, name)),
  );
  if (left.length === 0) return ok('leftovers', 'no unfinished files');
  return warning(
    'leftovers',
    `unfinished files of processes that are gone: ${listed(left)}`,
    `rm ${left.map(shellWord).join(' ')}`,
  );
}

function logs(folder: string): Finding[] {
  if (!statOf(folder)) return [];
  const size = everythingIn(folder).reduce((sum, path) => sum + (statOf(path)?.size ?? 0), 0);
  return size > LARGE_LOGS
    ? [
        warning(
          'logs',
          `the logs in ${folder} take ${inBytes(size)}`,
          'Delete the old ones; a running agent goes on with its own.',
        ),
      ]
    : [ok('logs', `the logs in ${folder} take ${inBytes(size)}`)];
}

/** Below it, two folders deep: no more is ever made there. */
function everythingIn(folder: string, depth = 2): string[] {
  return list(folder).flatMap((name) => {
    const path = join(folder, name);
    return [path, ...(depth > 1 && statOf(path)?.isDirectory() ? everythingIn(path, depth - 1) : [])];
  });
}

/** Never opens what it looks at: closing a database's file would drop SQLite's locks. */
function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (thrown) {
    // Something above it is a file: that is told of the folder.
    if ((thrown as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw thrown;
  }
}

function isOpen(path: string, folders: boolean): boolean {
  const stat = statOf(path);
  if (!stat || stat.isDirectory() !== folders || stat.isSymbolicLink()) return false;
  return (stat.mode & 0o077) !== 0;
}

function isSomebodyElses(stat: Stats | undefined): boolean {
  const me = process.getuid?.();
  return stat !== undefined && me !== undefined && stat.uid !== me;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Empty where there is no such folder. */
export function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (thrown) {
    if (['ENOENT', 'ENOTDIR'].includes((thrown as NodeJS.ErrnoException).code ?? '')) return [];
    throw thrown;
  }
}

function listed(paths: readonly string[]): string {
  const more = paths.length > SHOWN ? ` and ${paths.length - SHOWN} more` : '';
  return paths.slice(0, SHOWN).join(', ') + more;
}

function modeOf({ mode }: Stats): string {
  return (mode & 0o777).toString(8).padStart(4, '0');
}
