import { agentOrLatest, checkAgentId, runningPid } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { credentialView } from '../credential-view.ts';
import { withState } from '../state.ts';
import { printable, table } from '../terminal-text.ts';

/** Shows one stored credential, its key masked. */
export function run({ output }: Cli, agentId: string): Promise<void> {
  return withState(async (state) => {
    const agent = credentialView(await agentOrLatest(state, checkAgentId(agentId)));
    const pid = runningPid(state, agentId);
    const rows = [...Object.entries(agent), ['running', pid ? `process ${pid}` : 'no'] as const];
    output.result(
      { ok: true, agent: { ...agent, pid: pid ?? null } },
      table(rows.map(([name, value]) => [name, value === undefined ? '-' : printable(String(value))])),
    );
  });
}
