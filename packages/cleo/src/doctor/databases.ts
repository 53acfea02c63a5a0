import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { shellWord } from '../shell-word.ts';
import { error, type Finding, ok, warning } from './finding.ts';
import { inBytes } from './machine.ts';

/** A large database takes longer, and a person waits. */
const LONGEST_MS = 3_000;
const SOUND = 'ok';

/**
 * In a process of its own: SQLite reads all of the file and cannot be interrupted here. Not read-only, which would leave the
 * files of the write-ahead log behind; `query_only` keeps it from writing.
 */
const SCRIPT = `const { DatabaseSync } = require('node:sqlite');
const database = new DatabaseSync(process.argv[1], { timeout: 500 });
database.exec('PRAGMA query_only = 1');
const [row] = database.prepare('PRAGMA quick_check(1)').all();
database.close();
process.stdout.write(String(Object.values(row)[0]));`;

/** Whether a database opens and is sound; nothing where there is none. */
export async function databaseFinding(
  stateDir: string,
  name: 'state.db' | 'signaldock.db',
): Promise<Finding[]> {
  const file = join(stateDir, name);
  if (!existsSync(file)) return lost(stateDir, name);
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    accessSync(stateDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (thrown) {
    return [
      error(
        name,
        (thrown as Error).message,
        'Give this user read and write permission on the file and on its folder.',
      ),
    ];
  }
  const size = inBytes(statSync(file).size);
  try {
    const args = ['--no-warnings', '-e', SCRIPT, file];
    const { stdout } = await run(process.execPath, args, { timeout: LONGEST_MS, killSignal: 'SIGKILL' });
    return [stdout === SOUND ? ok(name, `${file} is sound (${size})`) : damaged(name, file, stdout)];
  } catch (thrown) {
    const { killed, stderr = '' } = thrown as { killed?: boolean; stderr?: string };
    if (killed)
      return [
        ok(
          name,
          `${file} opens; its ${size} were not read in ${LONGEST_MS / 1_000} s`,
          `To check all of it: sqlite3 ${shellWord(file)} 'PRAGMA quick_check'`,
        ),
      ];
    const why = /Error: (.*)/.exec(stderr)?.[1] ?? stderr.trim();
    if (/database is locked/.test(why))
      return [
        warning(
          name,
          `${file}: another process holds it`,
          'Look again. If it stays, look for a process that keeps a transaction open on this file.',
        ),
      ];
    return [damaged(name, file, why)];
  }
}

const run = promisify(execFile);

function damaged(name: string, file: string, why: string): Finding {
  const backup = join(file, '..', 'credentials.backup');
  const restores = name === 'state.db' && existsSync(backup);
  const move = `Stop the agents and move ${shellWord(file)} and the files beside it that begin with its name away`;
  return error(
    name,
    `${file} is damaged: ${why.split('\n', 1)[0]}`,
    restores
      ? `${move}. The next start takes the credentials from ${basename(backup)}.`
      : `${move}, then restore a backup, or begin anew.`,
  );
}

function lost(stateDir: string, name: string): Finding[] {
  if (name !== 'state.db' || !existsSync(join(stateDir, 'credentials.backup'))) return [];
  return [
    warning(
      name,
      `${join(stateDir, name)} is gone, and the credentials are kept in credentials.backup`,
      'The next command that needs them puts them back. What was being handled may come again.',
    ),
  ];
}
