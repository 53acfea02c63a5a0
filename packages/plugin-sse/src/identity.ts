import { type Agent, Secret } from '@cleocode/contracts';

/** Who asks for a stream. */
export interface Identity {
  readonly agentId: string;
  /** Asked for each connection, so that a rotation is seen at once. */
  apiKey(): Secret;
  /** The backend refused the key that is current now. */
  refused(error: unknown): void;
  /** Milliseconds until the key, which was refused, may be tried again; `undefined` while it is not. */
  retryInMs(): number | undefined;
  /** Runs after the key may have changed, or is taken again. Returns the unsubscribe function. */
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
      retryInMs: () => agent.auth?.().retryInMs,
      onChange: (listener) => {
        const stops = [agent.onChange(() => listener()), agent.onAuth?.(() => listener())];
        return () => {
          for (const stop of stops) stop?.();
        };
      },
    };
  const key = new Secret(apiKey);
  return {
    agentId,
    apiKey: () => key,
    refused: () => {},
    retryInMs: () => undefined,
    onChange: () => () => {},
  };
}
