import type { Cli } from '../cli.ts';
import { backendName, credentialView } from '../credential-view.ts';
import { withState } from '../state.ts';
import { table } from '../terminal-text.ts';

/** Lists the stored credentials, keys masked. */
export function run({ output }: Cli): Promise<void> {
  return withState(async (state) => {
    const agents = state.hasStore ? await (await state.store()).registry.list() : [];
    output.list(agents.map(credentialView), () => {
      if (agents.length === 0)
        return `No agent is registered in ${state.dir}.\n  Register one: cleo agent register my-agent`;
      const rows = agents.map((agent) => [
        agent.agentId,
        backendName(agent),
        credentialView(agent).apiKey,
        agent.lastUsedAt ? `used ${agent.lastUsedAt}` : 'never used',
      ]);
      return table(rows);
    });
  });
}
