import type { Behaviour } from './conformance/behaviour.ts';
import { groups } from './conformance/groups.ts';
import { lifecycle } from './conformance/lifecycle.ts';
import { nativePush } from './conformance/native-push.ts';
import { presence } from './conformance/presence.ts';
import { receiving } from './conformance/receiving.ts';
import { sending } from './conformance/sending.ts';

export type { Behaviour, ConformanceHarness } from './conformance/behaviour.ts';

/**
 * What every transport does, as one table for any test runner:
 *
 * ```ts
 * for (const { name, run } of transportConformance())
 *   test(name, async ({ skip }) => {
 *     const harness = await myHarness(skip);
 *     try {
 *       await run(harness);
 *     } finally {
 *       await harness.close();
 *     }
 *   });
 * ```
 */
export function transportConformance(): Behaviour[] {
  return [...receiving, ...sending, ...groups, ...lifecycle, ...nativePush, ...presence];
}
