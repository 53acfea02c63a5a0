import { type Agent, Secret } from '@cleocode/contracts';

/** Who asks for a stream. */
export interface Identity {
  readonly agentId: string;
  /** Asked for each connection, so that a rotation is seen at once. */
  apiKey(): Secret;
  /** The backend refused the key that is current now. */
  refused(error: unknown): void;
  /** Runs after the key may have changed. Returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
}

/** The live credential, else a key that stays. */
export function identityOf(agentId: string, given: { agent?: Agent | undefined; apiKey?: string }): Identity {
  const { agent, apiKey = '' } = given;
  if (agent)
    return {
      agentId,
      apiKey: () => agent.credential().apiKey,
      refused: (error) => agent.reportUnauthorized(error),
      onChange: (listener) => agent.onChange(() => listener()),
    };
  const key = new Secret(apiKey);
  return { agentId, apiKey: () => key, refused: () => {}, onChange: () => () => {} };
}
