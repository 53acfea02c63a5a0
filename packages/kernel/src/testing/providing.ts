import type { ServiceRef } from '@cleocode/contracts';
import { definePlugin, type Plugin } from '../plugin.ts';

/** A plugin that gives one service and does nothing else, for a plugin that needs it. */
export function providing<T>(ref: ServiceRef<T>, implementation: NoInfer<T>): Plugin {
  return definePlugin({
    name: `providing:${ref.id}`,
    version: '0.0.0',
    apiVersion: 1,
    provides: [ref],
    setup: (ctx) => ctx.provide(ref, implementation),
  })();
}
