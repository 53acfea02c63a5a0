/** `up` is from the client to the target, `down` from the target to the client. */
export type Direction = 'up' | 'down';

/** What is wrong at the moment, read anew for every piece of data. */
export interface Faults {
  latency?: { ms: number; jitterMs: number };
  /** Bytes per second. */
  throttle?: number;
  blackHole?: Direction | 'both';
  /** A new object starts a new count. */
  cutAfter?: { bytes: number; direction: Direction };
  /** Milliseconds. */
  slowClose?: number;
  /** How many are still to come. */
  dropResponses?: number;
}

export function swallows({ blackHole }: Faults, direction: Direction): boolean {
  return blackHole === 'both' || blackHole === direction;
}
