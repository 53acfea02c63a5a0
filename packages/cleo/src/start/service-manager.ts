import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Output } from '../output.ts';
import type { Resident } from './resident.ts';

/** A manager that does not take a word in this time is not waited for. */
const TELL_MS = 5_000;
const run = promisify(execFile);

/** What a process tells the systemd that started it. Each resolves when it has been told; none rejects. */
export interface ServiceManager {
  ready(): Promise<void>;
  stopping(): Promise<void>;
  /** Tells nothing more. */
  end(): void;
}

/**
 * Speaks sd_notify(3) where systemd waits for it (`Type=notify`): ready, stopping, and while the watchdog is on, at half its
 * interval, that the agents are alive. `undefined` where nobody listens.
 *
 * Alive means that the event loop turns and that no agent has a problem that a restart would cure ({@link Resident.stuck}). A
 * backend that is away or a key that is refused is none: a restart would only add to it.
 *
 * Node has no datagram sockets of the Unix kind, so `systemd-notify` says it, which comes with systemd. It is a process of its
 * own: the unit needs `NotifyAccess=all`. What the agents' handlers start is not to speak for them, and loses the address.
 */
export function serviceManager(
  residents: readonly Pick<Resident, 'agentId' | 'stuck'>[],
  output: Pick<Output, 'note'>,
  env: NodeJS.ProcessEnv = process.env,
): ServiceManager | undefined {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = env;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  if (!NOTIFY_SOCKET) return undefined;
  let toldWhy = '';
  let telling = false;
  let timer: NodeJS.Timeout | undefined;

  const tell = async (...words: string[]): Promise<void> => {
    try {
      const options = { env: { ...env, NOTIFY_SOCKET }, timeout: TELL_MS, killSignal: 'SIGKILL' as const };
      await run('systemd-notify', words, options);
    } catch (error) {
      complain(`systemd cannot be told "${words[0]}": ${(error as Error).message.split('\n', 1)[0]}`);
    }
  };
  /** Once for each reason: what stays wrong would fill the log. */
  const complain = (why: string): void => {
    if (why !== toldWhy) output.note(`warning: ${why}`);
    toldWhy = why;
  };
  const beat = async (): Promise<void> => {
    const stuck = residents.find((one) => one.stuck);
    if (stuck)
      return complain(
        `${stuck.agentId} needs a restart, and systemd's watchdog may do it: ${stuck.stuck!.message}`,
      );
    if (telling) return;
    telling = true;
    await tell('WATCHDOG=1');
    telling = false;
  };
  return {
    async ready() {
      const names = residents.map(({ agentId }) => agentId).join(', ');
      await tell('READY=1', `STATUS=${names} ${residents.length === 1 ? 'is' : 'are'} ready`);
      const every = watchdogMs(WATCHDOG_USEC, WATCHDOG_PID) / 2;
      if (every > 0) timer = setInterval(() => void beat(), every).unref();
    },
    stopping: () => tell('STOPPING=1', 'STATUS=finishing what is in hand'),
    end: () => clearInterval(timer),
  };
}

/** 0 when nobody watches, or watches another process. */
function watchdogMs(usec = '', pid = ''): number {
  const ms = Number(usec) / 1_000;
  return (pid === '' || Number(pid) === process.pid) && ms >= 1 && ms < 2 ** 31 ? ms : 0;
}
