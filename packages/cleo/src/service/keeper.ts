import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { shellWord } from '../shell-word.ts';
import { UsageError } from '../usage-error.ts';
import { launchdPlist, plistLabel, plistLog } from './launchd-plist.ts';
import type { Service } from './service.ts';
import { systemdUnit, unitName } from './systemd-unit.ts';

/** What keeps services running on this machine: the user's systemd, or launchd. */
export interface Keeper {
  /** The name of the service there. */
  name: string;
  file: string;
  /** The content of the file. */
  write(service: Service): Promise<string>;
  /** Whether the user's own is there to be asked. */
  isThere(): Promise<boolean>;
  /** Command lines, in order, that make it run what the file says, each time it starts. */
  up: string[][];
  /** The same that end it, before the file is removed. */
  down: string[][];
  /** After the file is removed. */
  after: string[][];
  /** How a person sees what it does. */
  hints: [what: string, command: string][];
  /** Called before the service runs, for what it needs. */
  prepare(service: Service): void;
}

const ASK_MS = 3_000;
const run = promisify(execFile);

/** Throws a `UsageError` where neither is. */
export function keeperOf(agentId: string, env: NodeJS.ProcessEnv = process.env): Keeper {
  if (process.platform === 'linux') return systemd(agentId, env);
  if (process.platform === 'darwin') return launchd(agentId);
  throw new UsageError(
    `neither systemd nor launchd keeps services on ${process.platform}`,
    `Have the service manager of this system run: cleo agent start ${agentId}`,
  );
}

/** Where the unit of an agent is, or would be; `undefined` where there is no systemd. */
export function unitFile(agentId: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return process.platform === 'linux'
    ? join(configFolder(env), 'systemd/user', unitName(agentId))
    : undefined;
}

function systemd(agentId: string, env: NodeJS.ProcessEnv): Keeper {
  const name = unitName(agentId);
  const environmentFile = join(configFolder(env), 'cleo', `${agentId}.env`);
  const user = (...args: string[]) => ['systemctl', '--user', ...args];
  return {
    name,
    file: unitFile(agentId, env)!,
    async write(service) {
      const [version, notify] = [await systemdVersion(), isInPath('systemd-notify', env)];
      return systemdUnit(service, { version, notify, environmentFile });
    },
    isThere: () => succeeds(user('show-environment')),
    up: [user('daemon-reload'), user('enable', name), user('restart', name)],
    down: [user('disable', '--now', name)],
    after: [user('daemon-reload')],
    hints: [
      ['How it is', `systemctl --user status ${shellWord(name)}`],
      ['Its log', `journalctl --user -u ${shellWord(name)} -f`],
      ['Stop it', `systemctl --user stop ${shellWord(name)}`],
      ['Without a login', 'loginctl enable-linger'],
      ['Secrets for its handlers', `NAME=value lines in ${environmentFile}, mode 0600`],
    ],
    prepare() {},
  };
}

function launchd(agentId: string): Keeper {
  const label = plistLabel(agentId);
  const domain = `gui/${process.getuid?.()}`;
  const file = join(homedir(), 'Library/LaunchAgents', `${label}.plist`);
  return {
    name: label,
    file,
    write: async (service) => launchdPlist(service),
    isThere: () => succeeds(['launchctl', 'print', domain]),
    up: [['launchctl', 'bootstrap', domain, file]],
    down: [['launchctl', 'bootout', `${domain}/${label}`]],
    after: [],
    hints: [
      ['How it is', `launchctl print ${domain}/${label}`],
      ['Stop it', `launchctl bootout ${domain}/${label}`],
    ],
    prepare: (service) => void mkdirSync(dirname(plistLog(service)), { recursive: true, mode: 0o700 }),
  };
}

function configFolder(env: NodeJS.ProcessEnv): string {
  return env.XDG_CONFIG_HOME || join(homedir(), '.config');
}

/** Runs one command line; rejects with what it said. */
export async function execute([program = '', ...args]: readonly string[], timeout: number): Promise<void> {
  await run(program, args, { timeout, killSignal: 'SIGKILL' });
}

async function succeeds(command: readonly string[]): Promise<boolean> {
  try {
    await execute(command, ASK_MS);
    return true;
  } catch {
    // Not there, not for this user, or it does not answer: then it is not used.
    return false;
  }
}

async function systemdVersion(): Promise<number | undefined> {
  try {
    const { stdout } = await run('systemctl', ['--version'], { timeout: ASK_MS, killSignal: 'SIGKILL' });
    return Number(/^systemd (\d+)/.exec(stdout)?.[1]) || undefined;
  } catch {
    // It is written for any version.
    return undefined;
  }
}

function isInPath(program: string, { PATH = '' }: NodeJS.ProcessEnv): boolean {
  return PATH.split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, program)));
}
