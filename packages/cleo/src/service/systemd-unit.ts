import { UsageError } from '../usage-error.ts';
import type { Service } from './service.ts';

export interface SystemdFacts {
  /** Of the systemd that will run it, as far as it is known. */
  version: number | undefined;
  /** `systemd-notify` is there, by which the agent speaks to systemd. */
  notify: boolean;
  /** Read when it is there: variables that are nobody else's business, such as a secret a handler needs. */
  environmentFile: string;
}

const WATCHDOG_S = 120;
const STEPS_SINCE = 254;

/** The name of the unit. An id may hold one character that a unit's name may not. */
export function unitName(agentId: string): string {
  return `cleo-${agentId.replaceAll('+', '\\x2b')}.service`;
}

/** A unit for the user's own systemd. */
export function systemdUnit(service: Service, { version, notify, environmentFile }: SystemdFacts): string {
  const { agentId, command, workingDirectory, environment, stopSeconds } = service;
  const [program = '', ...args] = command;
  const backsOff = version !== undefined && version >= STEPS_SINCE;
  const lines = [
    '# Written by "cleo agent install"; "cleo agent uninstall" takes it away.',
    '[Unit]',
    `Description=Cleo agent ${agentId}`,
    '# However often it has failed, it is tried again.',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    ...(notify
      ? [
          'Type=notify',
          '# The agent speaks through systemd-notify, a process of its own.',
          'NotifyAccess=all',
          `WatchdogSec=${WATCHDOG_S}`,
          '# No core file: there would be a key in it.',
          'WatchdogSignal=SIGKILL',
          'TimeoutStartSec=300',
        ]
      : ['Type=exec']),
    `ExecStart=${[word(program, '%'), ...args.map((one) => word(one, '%$'))].join(' ')}`,
    `WorkingDirectory=${path(workingDirectory)}`,
    ...Object.entries(environment).map(([name, value]) => `Environment=${word(`${name}=${value}`, '%')}`),
    `EnvironmentFile=-${path(environmentFile)}`,
    `SyslogIdentifier=cleo-${agentId}`,
    '',
    'Restart=always',
    ...(backsOff ? ['RestartSec=2', 'RestartSteps=6', 'RestartMaxDelaySec=60'] : ['RestartSec=10']),
    '# A configuration that cannot be used, an agent that is not there, another process that runs it.',
    'RestartPreventExitStatus=2 4 5',
    '',
    '# The agent alone is asked to stop: it lets its handlers finish.',
    'KillSignal=SIGTERM',
    'KillMode=mixed',
    `TimeoutStopSec=${stopSeconds}`,
    '# A handler that takes too much memory is not the end of the agent.',
    'OOMPolicy=continue',
    '',
    'UMask=0077',
    'LimitCORE=0',
    'NoNewPrivileges=yes',
    'LockPersonality=yes',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    '',
    '[Install]',
    'WantedBy=default.target',
    '',
  ];
  return lines.join('\n');
}

/** One word of a command line or an assignment; each of `doubled` means something to systemd unless it stands twice. */
function word(text: string, doubled: string): string {
  const literal = [...text].map((one) => (doubled.includes(one) ? one + one : one)).join('');
  if (/^[\w./:=+@,%$-]+$/.test(literal)) return literal;
  const escaped = literal
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    .replaceAll(/[\u0001-\u001f\u007f]/g, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `"${escaped}"`;
}

/** A whole path to the end of the line: systemd takes no quotes there. */
function path(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f]|\\$|^\s|\s$/.test(text))
    throw new UsageError(
      `${JSON.stringify(text)} cannot stand in a unit of systemd`,
      'Give the folder another name.',
    );
  return text.replaceAll('%', '%%');
}
