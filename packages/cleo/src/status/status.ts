import { CleoError, problemOf } from '@cleocode/contracts';
import type { HealthProblem } from '@cleocode/runtime/compose';
import { ask } from '../control/client.ts';
import type { AgentStatus } from '../start/resident.ts';

/** An agent that cannot be asked: it does not run, or its process does not answer. */
interface Unknown {
  agentId: string;
  running: boolean;
  healthy: false;
  pid?: number | undefined;
  problems: HealthProblem[];
}

export type Status = Unknown | ({ running: true } & AgentStatus);

/** Asks the process that runs the agent. Never rejects for its sake. */
export async function statusOf(agentId: string, address: string, pid: number | undefined): Promise<Status> {
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
