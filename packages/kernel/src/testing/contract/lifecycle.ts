import assert from 'node:assert/strict';
import { definePlugin, type HookName, type Plugin } from '../../plugin.ts';
import { messageOf } from '../compose.ts';
import { type Check, check } from './rule.ts';
import { Trial } from './trial.ts';

export const lifecycle: Check[] = [
  check('it starts and stops in time, and leaves nothing behind', async (factory, given) => {
    await Trial.with(factory, given, {}, async (trial) => {
      await trial.start();
      if (trial.kernel.describe().handlesMessages) await trial.kernel.dispatch(messageOf(given.message));
      await trial.end('after a stop');
    });
  }),

  check('it can be stopped at once, while it starts', async (factory, given) => {
    await Trial.with(factory, given, {}, async (trial) => {
      const starting = trial.start().catch(() => {}); // It is the stop that counts.
      await trial.end('stopped while it starts');
      await starting;
    });
  }),

  ...(['init', 'start'] as const).map((hook) =>
    check(`what it opened is closed when another plugin fails in ${hook}`, async (factory, given) => {
      await Trial.with(factory, given, { beside: [failingIn(hook)] }, async (trial) => {
        await assert.rejects(trial.start(), { code: 'E_PLUGIN_FAILED', plugin: 'failing' });
        await trial.end(`after a failed ${hook} of another`);
      });
    }),
  ),

  check('it starts again in another kernel', async (factory, given) => {
    for (const when of ['the first time', 'the second time'])
      await Trial.with(factory, given, {}, async (trial) => {
        await trial.start();
        await trial.end(when);
      });
  }),

  check('two agents of one process have it at the same time', async (factory, given) => {
    const another = given.agent ? {} : { agent: { id: 'other-agent' } };
    await Trial.with(factory, given, {}, (one) =>
      Trial.with(factory, given, another, (other) => both(one, other)),
    );

    async function both(one: Trial, other: Trial): Promise<void> {
      await one.start();
      await other.start();
      await one.kernel.stop();
      if (other.kernel.describe().handlesMessages) {
        const { status } = await other.kernel.dispatch(messageOf(given.message));
        assert.notEqual(status, 'dead', 'it works on when the other one has stopped');
      }
      await other.end('after the other');
      // Not earlier: whose files are open cannot be told.
      await one.end('beside another');
    }
  }),
];

function failingIn(hook: Extract<HookName, 'init' | 'start'>): Plugin {
  return definePlugin({
    name: 'failing',
    version: '0.0.0',
    apiVersion: 1,
    setup(ctx) {
      ctx.on(hook, () => {
        throw new Error('as the contract wants it');
      });
    },
  })();
}
