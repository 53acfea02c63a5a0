import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { blockingCalls } from './blocking-calls.ts';
import { OpenResources } from './open-resources.ts';
import { type Check, check } from './rule.ts';
import { Trial, type TrialOptions } from './trial.ts';

export const setup: Check[] = [
  check('setup only declares: it opens nothing and waits for nothing', async (factory, given) => {
    const begun = new OpenResources();
    let blocking: string[] = [];
    const looking: TrialOptions = {
      around: (own) => ({
        ...own,
        setup(ctx, options, deps) {
          let result: unknown;
          blocking = blockingCalls(() => {
            result = begun.run(() => own.setup(ctx, options, deps));
          });
          // A promise is the kernel's to refuse.
          return result as undefined;
        },
      }),
    };
    await Trial.with(factory, given, looking, async (trial) => {
      await trial.prepare();
      // What it began may reach for the outside a little later.
      for (let n = 0; n < 3; n++) await turn();
      assert.deepEqual([...blocking, ...begun.begun()], [], 'in setup nothing is opened, read or waited for');
      await trial.end('looked at and never started');
    }).finally(() => begun.close());
  }),
];
