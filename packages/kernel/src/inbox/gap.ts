import type { ConduitMessage, IntakeSource } from '@cleocode/contracts';

/**
 * The `seq` of the last message that was turned away and that the backend still holds; 0 where it has none. While there is a
 * gap, only a page from a cursor gets in: it brings what is missing first.
 */
export type Gap = number | undefined;

/** Whether a message of `source` could get in before something that is missing; all up to `taken` is not. */
export function overtakes(gap: Gap, source: IntakeSource, taken: number): boolean {
  if (gap === undefined || source.afterSeq !== undefined) return false;
  return taken === 0 || gap > taken;
}

/** The gap after a message was turned away. */
export function widened(gap: Gap, { seq = 0 }: ConduitMessage, source: IntakeSource): Gap {
  // What another view shows need not be in the agent's own list: nothing there would ever fill the gap.
  if (!source.ackable) return gap;
  return Math.max(gap ?? 0, seq);
}

/** The gap after a message got in. Pages ascend: one that has come this far has brought everything that was missing. */
export function narrowed(gap: Gap, { seq = 0 }: ConduitMessage): Gap {
  return gap === undefined || seq >= gap ? undefined : gap;
}
