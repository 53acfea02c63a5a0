import { type Agent, isKeyRefused, refreshCredential, Secret } from '@cleocode/contracts';

/** Who asks for a stream. */
export interface Identity {
  readonly agentId: string;
  /** Asked for each connection, so that a rotation is seen at once. */
  apiKey(): Secret;
  /** The backend refused this key. Resolves with whether another one is current now. */
  refused(apiKey: Secret, error: unknown): Promise<boolean>;
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
      refused: async (apiKey, error) => {
        if (isKeyRefused(error)) return refreshCredential(agent, apiKey, error);
        agent.reportUnauthorized(error);
        return false;
      },
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
    refused: async () => false,
    retryInMs: () => undefined,
    onChange: () => () => {},
  };
}
