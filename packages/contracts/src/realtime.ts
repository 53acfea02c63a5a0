import type { Problem } from './problem.ts';

/**
 * What a realtime source can prove: `live` means bytes were seen inside its watchdog, nothing less.
 * `connecting → live → stale → fallback → live`.
 */
export type RealtimeState = 'connecting' | 'live' | 'stale' | 'fallback';

/** What a source of messages that arrive by themselves tells of itself. */
export interface Realtime {
  readonly state: RealtimeState;
  /** Milliseconds since the last proof of receive; absent before the first. */
  readonly lastReceiveAgeMs: number | undefined;
  /** Why it is not live, or was not when it last tried; absent while it is. */
  readonly problem?: Problem | undefined;
  /** Runs on each change of state. Returns the unsubscribe function. */
  onChange(listener: (state: RealtimeState) => void): () => void;
}
