import { setTimeout as sleep } from 'node:timers/promises';
import { CleoError } from '@cleocode/contracts';
import { lockFile, runner } from '../agents.ts';
import { controlAddress } from '../control/address.ts';
import { askToStop } from '../control/client.ts';
import { selfCommand } from '../self-command.ts';
import type { StopAnswer } from '../start/resident.ts';
import type { State } from '../state.ts';
import { hasOpen, isGone } from './process.ts';

/** How one agent was ended; the report is what its process said, if it did. */
export interface Stopped extends Partial<Pick<StopAnswer, 'drained' | 'released' | 'forced' | 'keptBy'>> {
  agentId: string;
  pid: number | undefined;
  by: 'request' | Signal;
}

export interface StopOptions {
  /** How long the process may take before it is sent SIGTERM. */
  timeoutMs: number;
  /** Sends a signal to a process, once. */
  send: (pid: number, signal: Signal) => void;
  /** Says what is done beyond asking. */
  note: (text: string) => void;
  /** The other agents that process runs. */
  others: (pid: number) => Promise<string[]>;
}

export type Signal = 'SIGTERM' | 'SIGKILL';

const KILL_AFTER_MS = 5_000;
const LOOK_MS = 50;
/** Its answer follows the release of its lock. */
const ANSWER_MS = 1_000;
/** From the release of its last lock to the end of the process. */
const EXIT_MS = 2_000;

/**
 * Ends an agent that runs, and resolves when its lock is free: it has drained, or it was made to end. Throws `E_NOT_RUNNING`,
 * and `E_STOP_FAILED` when it is still there after all.
 */
export async function stopAgent(state: State, agentId: string, options: StopOptions): Promise<Stopped> {
  const running = runner(state, agentId);
  if (!running) throw notRunning(agentId);
  const { pid } = running;
  const isHeld = (): boolean => {
    const now = runner(state, agentId);
    // Another process: its supervisor has started a successor.
    return now !== undefined && (pid === undefined || now.pid === undefined || now.pid === pid);
  };
  const over = new AbortController();
  const answer = askPatiently(controlAddress(state.dir, agentId), isHeld, over.signal);
  try {
    let by: Stopped['by'] = 'request';
    if (!(await free(isHeld, options.timeoutMs))) {
      by = 'SIGTERM';
      await force(state, agentId, { pid, signal: by, afterMs: options.timeoutMs, ...options });
      if (!(await free(isHeld, KILL_AFTER_MS))) {
        by = 'SIGKILL';
        await force(state, agentId, { pid, signal: by, afterMs: KILL_AFTER_MS, ...options });
        if (!(await free(isHeld, KILL_AFTER_MS)))
          throw stopFailed(agentId, pid, 'is there even after SIGKILL');
      }
    }
    const report = await Promise.race([answer, sleep(ANSWER_MS, undefined, { signal: over.signal })]);
    if (pid !== undefined && (await options.others(pid)).length === 0) await exited(pid);
    return {
      agentId,
      pid,
      by,
      ...(report && {
        drained: report.drained,
        released: report.released,
        forced: report.forced,
        keptBy: report.keptBy,
      }),
    };
  } finally {
    over.abort();
  }
}

export function noneRuns(dir: string): CleoError {
  return new CleoError('E_NOT_RUNNING', `no agent of ${dir} runs`, {
    hint: `Run one: ${selfCommand()} agent start`,
  });
}

function notRunning(agentId: string): CleoError {
  return new CleoError('E_NOT_RUNNING', `${agentId} does not run here`, {
    hint: `Run it: ${selfCommand()} agent start ${agentId}`,
    details: { agentId },
  });
}

/** While it starts, nobody answers there yet. */
async function askPatiently(
  address: string,
  isHeld: () => boolean,
  signal: AbortSignal,
): Promise<StopAnswer | undefined> {
  while (!signal.aborted) {
    const report = await askToStop(address, signal);
    if (report || !isHeld()) return report;
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  }
  return undefined;
}

/** Whether the lock was free before the time was over. */
async function free(isHeld: () => boolean, withinMs: number): Promise<boolean> {
  for (const until = performance.now() + withinMs; isHeld(); await sleep(LOOK_MS))
    if (performance.now() >= until) return false;
  return true;
}

interface Force extends StopOptions {
  pid: number | undefined;
  signal: Signal;
  afterMs: number;
}

/** Only a process that holds the lock is sent a signal: a pid alone may by now be anybody's. */
async function force(state: State, agentId: string, { pid, signal, afterMs, send, note, others }: Force) {
  if (pid === undefined || runner(state, agentId)?.pid !== pid || !hasOpen(pid, lockFile(state, agentId)))
    throw stopFailed(agentId, pid, 'did not stop, and is not to be seen from here: no signal was sent');
  const also = await others(pid);
  const too = also.length > 0 ? `, which ends ${also.join(', ')} too` : '';
  note(`${agentId} (process ${pid}) has not stopped in ${afterMs / 1_000} s: sending ${signal}${too}`);
  try {
    send(pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // It has just ended.
    if (code === 'ESRCH') return;
    throw stopFailed(agentId, pid, `did not stop, and cannot be sent ${signal} (${code})`, error);
  }
}

async function exited(pid: number): Promise<void> {
  for (const until = performance.now() + EXIT_MS; !isGone(pid) && performance.now() < until; )
    await sleep(LOOK_MS);
}

function stopFailed(agentId: string, pid: number | undefined, why: string, cause?: unknown): CleoError {
  return new CleoError(
    'E_STOP_FAILED',
    `${agentId}: ${pid === undefined ? 'its process' : `process ${pid}`} ${why}`,
    {
      hint: 'End it as the user, and on the machine or in the container, that runs it. Its messages come again at the next start.',
      cause,
      details: { agentId, pid },
    },
  );
}
