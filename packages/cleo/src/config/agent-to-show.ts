import type { AgentCredential } from '@cleocode/contracts';
import { agentOrLatest, storedAgent } from '../agents.ts';
import type { Configuration } from '../configuration.ts';
import type { State } from '../state.ts';

/** The agent that `cleo agent start` would run, as far as it is known without registering it. */
export interface AgentToShow {
  agentId: string;
  apiBaseUrl: string;
  transportConfig?: AgentCredential['transportConfig'];
  /** What is stored about it; null: nothing yet. */
  stored: AgentCredential | null;
}

/** As `cleo agent start` would choose, but for an agent it would register first. Throws `E_NOT_FOUND_AGENT`. */
export async function agentToShow(
  state: State,
  word: string | undefined,
  { config }: Configuration,
): Promise<AgentToShow> {
  const configured = config.agent;
  const agentId = word ?? configured?.id;
  const stored = agentId === undefined ? null : await storedAgent(state, agentId);
  if (configured && configured.id === agentId) {
    const apiBaseUrl = configured.apiBaseUrl ?? stored?.apiBaseUrl ?? 'local:';
    return { agentId, apiBaseUrl, ...(stored && { transportConfig: stored.transportConfig }), stored };
  }
  const credential = stored ?? (await agentOrLatest(state, agentId));
  const { apiBaseUrl, transportConfig } = credential;
  return { agentId: credential.agentId, apiBaseUrl, transportConfig, stored: credential };
}
