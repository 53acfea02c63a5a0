import { CleoError, problemOf } from '@cleocode/contracts';
import type { HealthProblem } from '@cleocode/runtime';
import { agentOrLatest, runningPid } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { controlAddress } from '../control/address.ts';
import { ask } from '../control/client.ts';
import { duration } from '../duration.ts';
import { EXIT } from '../exit-code.ts';
import type { Output } from '../output.ts';
import type { AgentStatus } from '../start/resident.ts';
import { withState } from '../state.ts';
import { printable, table } from '../terminal-text.ts';

/** An agent that cannot be asked: it does not run, or its process does not answer. */
interface Unknown {
  agentId: string;
  running: boolean;
  healthy: false;
  pid?: number | undefined;
  problems: HealthProblem[];
}

type Status = Unknown | ({ running: true } & AgentStatus);

/** Shows how a running agent is, as its process knows it. Ends with 3 when it does not run or is not well. */
export async function run(cli: Cli, id: string | undefined): Promise<void> {
  const { output } = cli;
  const status = await withState(async (state) => {
    const { agentId } = await agentOrLatest(state, id);
    return statusOf(agentId, controlAddress(state.dir, agentId), runningPid(state, agentId));
  });
  output.result({ ok: true, ...status }, describe(status, output));
  if (!status.healthy) cli.exitCode = EXIT.unhealthy;
}

async function statusOf(agentId: string, address: string, pid: number | undefined): Promise<Status> {
  try {
    const answer = (await ask(address, '/status')) as AgentStatus | undefined;
    if (answer) return { running: true, ...answer };
    return pid === undefined ? unknown(agentId, notRunning(agentId)) : unknown(agentId, notAsking(pid), pid);
  } catch (error) {
    if (!CleoError.is(error, 'E_NOT_RESPONDING')) throw error;
    return unknown(agentId, problemOf(error), pid);
  }
}

function unknown(agentId: string, problem: Omit<HealthProblem, 'severity'>, pid?: number): Unknown {
  const running = problem.code !== 'not_running';
  return { agentId, running, healthy: false, pid, problems: [{ severity: 'error', ...problem }] };
}

function notRunning(agentId: string): Omit<HealthProblem, 'severity'> {
  return {
    code: 'not_running',
    message: `${agentId} does not run here`,
    hint: `Run it: cleo agent start ${agentId}`,
  };
}

/** It starts, it has ended what can be asked, or its socket could not be made: its log says so. */
function notAsking(pid: number): Omit<HealthProblem, 'severity'> {
  return {
    code: 'not_answering',
    message: `process ${pid} runs it, and cannot be asked`,
    hint: 'It may be starting or stopping: look again. If it stays, its log says why.',
  };
}

function describe(status: Status, output: Output): string {
  if (!status.running) return `${headline(status, output)}\n  → Run it: cleo agent start ${status.agentId}`;
  const problems = status.problems.map(({ severity, message, hint, code }) => {
    const mark = output.style(severity === 'error' ? 'red' : 'yellow', '!');
    const cure = hint ? `\n    → ${printable(hint)}` : '';
    return `  ${mark} ${code}: ${printable(message)}${cure}`;
  });
  return [headline(status, output), ...('inbox' in status ? [facts(status)] : []), ...problems].join('\n');
}

function headline(status: Status, output: Output): string {
  const { agentId, healthy, running, pid } = status;
  const mark = output.style(healthy ? 'green' : 'red', running ? '●' : '○');
  const word = healthy ? 'is well' : running ? 'is not well' : 'does not run';
  const since = 'uptimeMs' in status ? `, up ${duration(status.uptimeMs)}` : '';
  return `${mark} ${agentId} ${word}${pid === undefined ? '' : output.style('dim', ` (process ${pid}${since})`)}`;
}

function facts({ transport, realtime, inbox, presence, log }: AgentStatus): string {
  const heard = ago('last heard', realtime.lastReceiveAgeMs);
  const stream = realtime.state === 'off' ? '' : `, stream ${realtime.state}`;
  const { inFlight, queued, done, failed, dead } = inbox;
  return table([
    ['  hears', `by ${transport}${stream}${heard}`],
    ['  inbox', `${inFlight} in flight, ${queued} queued, ${done} done, ${failed} failed, ${dead} dead`],
    ['  seen as', `${presence.state}${ago('told', presence.lastBeatAgeMs)}`],
    ...(log ? [['  log', `${log} (in the background)`]] : []),
  ]);
}

function ago(what: string, ageMs: number | undefined): string {
  return ageMs === undefined ? '' : `, ${what} ${duration(ageMs)} ago`;
}
