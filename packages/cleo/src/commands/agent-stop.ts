import { agentOrLatest, runner, runningPid } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { failureOf } from '../failure.ts';
import type { Output } from '../output.ts';
import { selfCommand } from '../self-command.ts';
import { type State, withState } from '../state.ts';
import { comingAgain } from '../stop/coming-again.ts';
import { noneRuns, type Signal, type Stopped, stopAgent } from '../stop/stop-agent.ts';
import { printable } from '../terminal-text.ts';
import { UsageError } from '../usage-error.ts';

interface StopOptions {
  all?: boolean;
  /** Milliseconds. */
  timeout: number;
}

const END = {
  systemd: 'To end it there: systemctl --user stop UNIT',
  launchd: 'To end it there: launchctl bootout gui/UID/LABEL',
};
/** Most agents are gone by then. */
const SLOW_MS = 2_000;

/** Asks the processes that run the agents to end them, and waits until they have. */
export async function run(cli: Cli, ids: string[], { all = false, timeout }: StopOptions): Promise<void> {
  const { output } = cli;
  if (all && ids.length > 0) throw new UsageError('--all and ids were given', 'Give the one or the other.');
  await withState(async (state) => {
    const wanted = await agentsToStop(state, ids, all);
    const sent = new Set<string>();
    // A process that runs several of them is sent a signal once: a second one would cut short what the first began.
    const send = (pid: number, signal: Signal) => {
      if (!sent.has(`${pid} ${signal}`)) process.kill(pid, signal);
      sent.add(`${pid} ${signal}`);
    };
    const stops = wanted.map(async (agentId) => {
      const others = async (pid: number) =>
        (await agentIds(state)).filter((id) => id !== agentId && runningPid(state, id) === pid);
      const note = (text: string) => output.note(text);
      const slow = setTimeout(() => {
        if (process.stderr.isTTY)
          note(`${agentId} finishes what it has in hand: waiting ${timeout / 1_000} s at most`);
      }, SLOW_MS);
      const stopped = await stopAgent(state, agentId, { timeoutMs: timeout, send, note, others }).finally(
        () => clearTimeout(slow),
      );
      output.result({ ok: true, ...stopped }, describe(stopped, output));
      if (stopped.keptBy)
        note(`${agentId} was run by ${stopped.keptBy}, which may start it again. ${END[stopped.keptBy]}`);
    });
    for (const result of await Promise.allSettled(stops)) {
      if (result.status === 'fulfilled') continue;
      const failure = failureOf(result.reason);
      output.failure(failure);
      if (cli.exitCode === EXIT.done) cli.exitCode = failure.exitCode;
    }
  });
}

/** Those that are named, even if they do not run; else those that run, when that is one or all are wanted. */
async function agentsToStop(state: State, ids: string[], all: boolean): Promise<string[]> {
  if (ids.length > 0) {
    const named = ids.map(async (id) => (await agentOrLatest(state, id)).agentId);
    return [...new Set(await Promise.all(named))];
  }
  const running = (await agentIds(state)).filter((id) => runner(state, id));
  if (running.length === 0) throw noneRuns(state.dir);
  if (running.length > 1 && !all)
    throw new UsageError(
      `several agents run: ${running.join(', ')}`,
      `Name one: ${selfCommand()} agent stop ${running[0]}. Or stop them all: ${selfCommand()} agent stop --all`,
    );
  return running;
}

async function agentIds(state: State): Promise<string[]> {
  if (!state.hasStore) return [];
  return (await (await state.store()).registry.list()).map(({ agentId }) => agentId);
}

function describe(
  { agentId, pid, by, drained, released = [], forced = [] }: Stopped,
  output: Output,
): string {
  const process = pid === undefined ? '' : `process ${pid}`;
  const ends = [
    process,
    by === 'request' ? '' : `ended by ${by}`,
    drained === undefined
      ? by === 'request'
        ? 'it ended without a word'
        : 'what it had in hand comes again at the next start'
      : drained
        ? 'everything in hand was finished'
        : comingAgain(released),
  ];
  const faults = forced.map(
    ({ plugin, error }) =>
      `\n  ${output.style('red', '✗')} ${plugin} did not end cleanly: ${printable(error)}`,
  );
  const how = output.style('dim', `(${ends.filter(Boolean).join('; ')})`);
  return `${output.style('dim', '■')} ${agentId} stopped ${how}${faults.join('')}`;
}
