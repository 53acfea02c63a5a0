import { aborting } from './conformance/aborting.ts';
import type { Behaviour } from './conformance/behaviour.ts';
import { content } from './conformance/content.ts';
import { conversations } from './conformance/conversations.ts';
import { cursor } from './conformance/cursor.ts';
import { groups } from './conformance/groups.ts';
import { lifecycle } from './conformance/lifecycle.ts';
import { nativePush } from './conformance/native-push.ts';
import { presence } from './conformance/presence.ts';
import { receiving } from './conformance/receiving.ts';
import { restart } from './conformance/restart.ts';
import { sending } from './conformance/sending.ts';

export type { Behaviour, ConformanceHarness } from './conformance/behaviour.ts';
export { type ConformanceBackend, conformanceHarness } from './conformance/harness.ts';

/**
 * What every transport does, as one table for any test runner:
 *
 * ```ts
 * for (const { name, run } of transportConformance())
 *   test(name, async ({ skip }) => {
 *     const harness = conformanceHarness(await myBackend(skip));
 *     try {
 *       await run(harness);
 *     } finally {
 *       await harness.close();
 *     }
 *   });
 * ```
 */
export function transportConformance(): Behaviour[] {
  return [
    ...lifecycle,
    ...sending,
    ...content,
    ...receiving,
    ...cursor,
    ...groups,
    ...conversations,
    ...aborting,
    ...nativePush,
    ...presence,
    ...restart,
  ];
}
