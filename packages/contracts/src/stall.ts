/** A time in which this process did not run as it should have. */
export interface Stall {
  /** How long, in milliseconds; exact to half a second. */
  gapMs: number;
  /**
   * The monotonic clock shows it: the event loop was blocked, or the process was stopped. `false`: only the wall clock went
   * ahead. Then the host slept, for which Linux stops the monotonic clock, or somebody set the wall clock.
   */
  certain: boolean;
}

/** What counts as a stall. */
export interface StallWatchOptions {
  /** A gap longer than this is a stall, in milliseconds. Default 5000. */
  thresholdMs?: number;
}

const LOOK_MS = 500;

/**
 * Runs `onStall`, which must not throw, after each stall of this process, as soon as it runs again (at most half a second
 * later). What was agreed with others before may no longer hold then: leases, streams, presence. The watch does not keep
 * the process alive. Returns the function that ends it.
 */
export function watchForStalls(
  { thresholdMs = 5_000 }: StallWatchOptions,
  onStall: (stall: Stall) => void,
): () => void {
  let monotonic = performance.now();
  let wall = Date.now();
  const look = () => {
    const ran = performance.now() - monotonic;
    const late = ran - LOOK_MS;
    const ahead = Date.now() - wall - ran;
    monotonic += ran;
    wall = Date.now();
    if (late > thresholdMs) onStall({ gapMs: Math.round(late), certain: true });
    else if (ahead > thresholdMs) onStall({ gapMs: Math.round(ahead), certain: false });
  };
  const timer = setInterval(look, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
