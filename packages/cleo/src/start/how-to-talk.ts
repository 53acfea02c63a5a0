import type { AgentCredential } from '@cleocode/contracts';
import { isLocal } from '../agents.ts';
import { selfCommand } from '../self-command.ts';

/** The transports that carry what `agent send` puts at the backend of a credential. */
const OURS = new Set(['local', 'http', 'sse']);

/** What a person is told to try once an agent is ready. `transport`: the name of the one it has. */
export function howToTalk({
  agentId,
  apiBaseUrl,
  transport,
}: Pick<AgentCredential, 'agentId' | 'apiBaseUrl'> & { transport: string }): string {
  const send = `${selfCommand()} agent send --to ${agentId}`;
  if (!OURS.has(transport)) return `  Messages reach it over the transport "${transport}".\n`;
  return isLocal({ apiBaseUrl })
    ? `  Talk to it from a second terminal:\n\n    ${send} "hello"\n`
    : `  Talk to it as another agent of ${apiBaseUrl}:\n\n    ${send} --agent another-agent "hello"\n`;
}
