import { vi } from 'vitest';

/** Waits for a condition, long enough for a machine that is busy with something else. */
export function until(condition: () => boolean): Promise<boolean> {
  return vi.waitUntil(condition, { interval: 5 });
}
