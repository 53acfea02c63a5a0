import assert from 'node:assert/strict';
import type { ConduitMessage } from '@cleocode/contracts';
import {
  type Delivery,
  definePlugin,
  type HookName,
  type HookOptions,
  type KernelHooks,
  type Plugin,
} from '../../plugin.ts';
import { messageOf } from '../compose.ts';
import { type Check, check } from './rule.ts';
import { Trial, type TrialOptions } from './trial.ts';

export const messages: Check[] = [
  check(
    'it handles a message in time, and leaves it to others as it came',
    async (factory, given, context) => {
      const seen: ConduitMessage[] = [];
      await Trial.with(factory, given, { beside: [watching(seen)] }, async (trial) => {
        await trial.start();
        if (!trial.handlesMessages) return context.skip?.('it handles no messages');
        const message = messageOf(given.message);
        const result = await trial.kernel.dispatch(structuredClone(message));
        const outcome = result.status === 'dead' ? `dead: ${result.error}` : result.status;
        assert.ok(
          outcome === 'done' || outcome === 'dropped',
          `a message it can handle is handled, not ${outcome}`,
        );
        if (outcome === 'done') assert.deepEqual(seen, [message], 'other plugins see it as it came');
        await trial.end('after a message');
      });
    },
  ),

  check('its handlers end when a stop no longer waits for them', async (factory, given, context) => {
    let handling = 0;
    const called = Promise.withResolvers<void>();
    const looking: TrialOptions = {
      drainMs: 1,
      around: (own) => ({
        ...own,
        setup: (ctx, options, deps) =>
          own.setup(
            { ...ctx, on: (hook, ...rest) => ctx.on(hook, ...(observed(hook, rest) as typeof rest)) },
            options,
            deps,
          ),
      }),
    };
    await Trial.with(factory, given, looking, async (trial) => {
      await trial.start();
      if (!trial.handlesMessages) return context.skip?.('it handles no messages');
      // The stop may come before its end, or another plugin's handler before ours.
      const ended = trial.kernel.dispatch(messageOf(given.message)).catch(() => {});
      await Promise.race([called.promise, ended]);
      await trial.end('stopped in the middle of a message');
      await trial.gone(
        () => (handling > 0 ? ['a message handler'] : []),
        'delivery.signal has aborted, and nothing runs on',
      );
    });

    type On = [handler: KernelHooks[HookName], options?: HookOptions];
    function observed(hook: HookName, [handler, ...rest]: On): On {
      if (hook !== 'message') return [handler, ...rest];
      return [
        async (delivery: Delivery) => {
          handling += 1;
          called.resolve();
          try {
            return await handler(delivery as never);
          } finally {
            handling -= 1;
          }
        },
        ...rest,
      ];
    }
  }),
];

/** Handles messages after the plugin, and keeps what it sees. */
function watching(seen: ConduitMessage[]): Plugin {
  return definePlugin({
    name: 'watching',
    version: '0.0.0',
    apiVersion: 1,
    setup: (ctx) =>
      void ctx.on('message', ({ message }) => void seen.push(structuredClone(message)), { order: 'post' }),
  })();
}
