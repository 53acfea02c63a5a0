/** How much longer than meant a {@link jittered} wait may be, as a factor. */
export const LONGEST_WAIT = 1.2;

/** `ms` give or take a fifth, so that agents started together drift apart. */
export function jittered(ms: number, random: () => number = Math.random): number {
  return ms * (0.8 + random() * (LONGEST_WAIT - 0.8));
}
