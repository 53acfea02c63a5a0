import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import type { AgentConfig } from '../../config/types.ts';
import { messageOf } from '../compose.ts';
import { Leaks } from './leaks.ts';
import { type Check, check } from './rule.ts';
import { Trial, type TrialOptions } from './trial.ts';

export const secrets: Check[] = [
  check("nothing it logs or prints has the agent's key in it", async (factory, given) => {
    const agent: AgentConfig = { id: 'test-agent', ...(await given.agent?.()) };
    agent.apiKey ??= `sk_test_${randomUUID().replaceAll('-', '')}`;
    const leaks = new Leaks(agent.apiKey);
    const looking: TrialOptions = {
      agent,
      around: (own) => ({
        ...own,
        setup: (ctx, options, deps) =>
          own.setup({ ...ctx, logger: leaks.watching(ctx.logger) }, options, deps),
      }),
    };
    await Trial.with(factory, given, looking, async (trial) => {
      await trial.start();
      if (trial.kernel.describe().handlesMessages) await trial.kernel.dispatch(messageOf(given.message));
      // What its tasks do first.
      for (let n = 0; n < 5; n++) await turn();
    }).finally(() => leaks.close());
    assert.deepEqual(
      [...new Set(leaks.found)],
      [],
      'the key is never logged, not even for the log to mask it',
    );
  }),
];
