import type { Agent } from './agent.ts';
import { CleoError, isAuthError } from './errors.ts';
import type { KeyRotation } from './key-rotation.ts';
import type { Secret } from './secret.ts';
import { withDeadline } from './timing.ts';

/** Whoever looks for another key looks into a file, or asks somebody near. */
const REFRESH_MS = 10_000;

/** Why a key does not work. */
export interface AuthProblem {
  /**
   * `auth_failed`: the backend refuses the key. `requires_reauth`: it does so after a rotation whose answer was lost, on a
   * backend that ended the old key at once: only a key that somebody stores can help.
   */
  code: 'auth_failed' | 'requires_reauth';
  message: string;
  /** What to do, as one sentence. */
  hint?: string;
}

/** How an agent stands with its backend. */
export interface AuthStatus {
  /** `failed` ends by itself: when another key is stored, or when the backend takes this one again. */
  state: 'ok' | 'failed';
  /** There while the state is `failed`. */
  problem?: AuthProblem;
  /**
   * Milliseconds until the refused key may be tried again: 2 s, 6 s, then every 30 s, by whoever comes first. 0 when it may
   * be tried now. Absent while the state is `ok`.
   */
  retryInMs?: number;
  /** When the backend issued the current key, RFC 3339; absent where nobody knows. */
  keyIssuedAt?: string;
  /** By the clock of this machine; never negative. */
  keyAgeMs?: number;
  /** Under way, or its old key is not forgotten yet. */
  rotation?: KeyRotation;
}

/** `rotated`: another key is in use from now on, whoever stored it. */
export interface AuthEvent {
  state: 'ok' | 'failed' | 'rotated';
  /** With `failed`. */
  problem?: AuthProblem;
}

/** Whether a backend does not know the key (any more). Unlike a key that may not do something, another one would help. */
export function isKeyRefused(error: unknown): boolean {
  return (
    isAuthError(error) && !['E_AUTH_FORBIDDEN', 'E_AUTH_INSUFFICIENT_PERMISSIONS'].includes(codeOf(error))
  );
}

/**
 * A request with the key `refused` was answered 401, with `cause`. Resolves with whether the agent has another key now, so
 * that a request which may be repeated is worth sending again, once. Never rejects; at most 10 s pass.
 */
export async function refreshCredential(agent: Agent, refused: Secret, cause: unknown): Promise<boolean> {
  const isReplaced = () => agent.credential().apiKey.reveal() !== refused.reveal();
  try {
    if (isReplaced()) return true;
    if (agent.refresh) return await withDeadline(agent.refresh(refused, cause), REFRESH_MS, () => cause);
    agent.reportUnauthorized(cause);
    return isReplaced();
  } catch {
    // Whoever holds the key cannot be asked for it: the request fails with the refusal, the next one with that.
    return false;
  }
}

function codeOf(error: unknown): string {
  return CleoError.is(error) ? error.code : '';
}
