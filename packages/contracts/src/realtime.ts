/**
 * What a realtime source can prove: `live` means bytes were seen inside its watchdog, nothing less.
 * `connecting → live → stale → fallback → live`.
 */
export type RealtimeState = 'connecting' | 'live' | 'stale' | 'fallback';

export interface Realtime {
  readonly state: RealtimeState;
  /** Milliseconds since the last proof of receive; absent before the first. */
  readonly lastReceiveAgeMs: number | undefined;
  /** Runs on each change of state. Returns the unsubscribe function. */
  onChange(listener: (state: RealtimeState) => void): () => void;
}
