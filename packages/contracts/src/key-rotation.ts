import type { AgentCredential } from './agent.ts';
import type { Secret } from './secret.ts';
import type { RequestOptions, Transport } from './transport.ts';

/** A new key from a backend. */
export interface IssuedKey {
  apiKey: string;
  /** When the backend issued it, RFC 3339, by its own clock where that is known. */
  issuedAt?: string;
  /** Until then the old key works too, RFC 3339. Absent: the old key died with the answer. */
  previousKeyExpiresAt?: string;
}

/** What a rotation asks a backend for. */
export interface KeyIssuer {
  /**
   * Asks for a new key, authenticated with the current one. Called again with the same `idempotencyKey` after a crash or a
   * lost answer; a backend that knows it answers the same key again.
   */
  issue(
    credential: AgentCredential,
    options: RequestOptions & { idempotencyKey: string; overlapSeconds?: number },
  ): Promise<IssuedKey>;
  /** Makes a request with `apiKey`: resolves when the backend takes it, rejects with `E_AUTH_…` when it does not. */
  verify?(apiKey: Secret, options?: RequestOptions): Promise<void>;
  /** Epoch milliseconds by the backend's clock; `undefined` while that is not known. */
  now?(): number | undefined;
}

/** How a key is replaced. */
export interface RotateKeyOptions extends RequestOptions {
  /** Asks the backend. Default: what the registry was made with. */
  issuer?: KeyIssuer;
  /** How long the old key is to work on, where the backend can. Default 600 s. */
  overlapSeconds?: number;
  /** Rotates only this key: where another one is in use by then, that is the answer. Default: whichever is in use. */
  replaces?: string;
}

/**
 * A rotation as the registry remembers it, step by step:
 *
 * - `intent`: a new key is being asked for, or was and the answer got lost;
 * - `stored`: the new key is on disk; it is verified next, and not in use;
 * - `active`: the new key is in use; the old one is remembered until its overlap is over.
 */
export interface KeyRotation {
  state: 'intent' | 'stored' | 'active';
  /** RFC 3339. */
  begunAt: string;
  /** In `active`: when the old key's overlap ends, RFC 3339, by the backend's clock. */
  previousKeyExpiresAt?: string;
}

/** A transport as an issuer; `undefined` where it lacks `rotateKey`. It rotates the agent that it is connected as. */
export function keyIssuerOf(transport: Transport): KeyIssuer | undefined {
  if (!transport.rotateKey) return undefined;
  return {
    issue: (_credential, options) => transport.rotateKey!({ ...options, keepUntilUsed: true }),
    ...(transport.verifyKey && {
      verify: (apiKey, options) => transport.verifyKey!(apiKey.reveal(), options),
    }),
    ...(transport.serverTime && { now: () => transport.serverTime!() }),
  };
}
