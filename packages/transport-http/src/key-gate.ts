import { WireError } from '@cleocode/contracts';
import type { Identity } from './api.ts';

/** While one request finds out whether a refused key is taken again, the others come back this much later. */
const AFTER_PROBE_MS = 1_000;
/** Another key may be stored at any moment, and to ask here costs nothing. */
const LOOK_AGAIN_MS = 3_000;

/** Holds requests back while their key is known to be refused: only now and then one may try it. */
export class KeyGate {
  #probing = false;

  /**
   * Call what it returns when the request is over, and whoever holds the key has heard of a refusal. Throws a
   * `E_AUTH_UNAUTHORIZED` of our own making, with `details.local`, when nothing may be sent now.
   */
  enter({ agentId, retryInMs }: Pick<Identity, 'agentId' | 'retryInMs'>): () => void {
    const waitMs = retryInMs();
    if (waitMs === undefined) return () => {};
    if (waitMs > 0 || this.#probing) throw heldBack(agentId, waitMs || AFTER_PROBE_MS);
    this.#probing = true;
    return () => {
      this.#probing = false;
    };
  }
}

function heldBack(agentId: string, waitMs: number): WireError {
  const retryAfterMs = Math.ceil(Math.min(waitMs, LOOK_AGAIN_MS));
  return new WireError(
    'E_AUTH_UNAUTHORIZED',
    `the backend refused the key of "${agentId}"; it is tried again in ${Math.ceil(waitMs / 1_000)} s`,
    {
      hint: `Store one that it takes: cleo agent register ${agentId} --api-url <url> --api-key-stdin`,
      retryAfterMs,
      details: { agentId, local: true },
    },
  );
}
