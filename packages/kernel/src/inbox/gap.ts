import type { ConduitMessage, IntakeSource } from '@cleocode/contracts';

/**
 * Where messages were turned away that the backend still holds: what comes later must not get in before them. A message
 * without `seq` counts as one beyond all others.
 */
export interface Gap {
  /** A page that begins before this may refill: at first the first that is missing. */
  readonly from: number;
  /** The last that was turned away: a page that has come this far has closed the gap. */
  readonly to: number;
}

const BEYOND = Number.POSITIVE_INFINITY;

/** Whether `message` would get in before something that is missing. */
export function overtakes(
  gap: Gap | undefined,
  { seq = BEYOND }: ConduitMessage,
  source: IntakeSource,
): boolean {
  if (!gap || seq < gap.from) return false;
  return source.afterSeq === undefined || source.afterSeq >= gap.from;
}

/** The gap after `message` was turned away. */
export function widened(
  gap: Gap | undefined,
  { seq }: ConduitMessage,
  source: IntakeSource,
): Gap | undefined {
  // What another view shows need not be in the agent's own list: nothing there would ever fill the gap.
  if (!source.ackable) return gap;
  return { from: Math.min(gap?.from ?? BEYOND, seq ?? BEYOND), to: Math.max(gap?.to ?? 0, seq ?? 0) };
}

/**
 * The gap after `message` got in. Pages show everything in ascending order, so what they have passed is here or gone, and the
 * next page goes on from there: what it does not bring in widens the gap again. Without `seq` nobody can tell how far that is.
 */
export function narrowed(gap: Gap | undefined, { seq = BEYOND }: ConduitMessage): Gap | undefined {
  if (!gap || seq >= gap.to) return undefined;
  return seq < gap.from ? gap : { from: gap.to, to: gap.to };
}
