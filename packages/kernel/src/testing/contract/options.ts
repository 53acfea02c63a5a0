import assert from 'node:assert/strict';
import { KernelError } from '../../errors.ts';
import type { PluginFactory } from '../../plugin.ts';
import { type Check, check } from './rule.ts';
import { optionsOf, type PluginGiven, Trial } from './trial.ts';

const UNKNOWN = 'anOptionThatNobodyKnows';

export const options: Check[] = [
  check('it takes the options it is given', async (factory, given) => {
    await Trial.with(factory, given, {}, (trial) => trial.prepare());
  }),

  check('it refuses options that cannot work, and blames the right one', async (factory, given, context) => {
    const invalid = Object.entries(given.invalidOptions ?? {});
    if (invalid.length === 0) return context.skip?.('no invalidOptions are given');
    for (const [path, options] of invalid) {
      const message = await refusal(factory, given, options, `the options for "${path}"`);
      const places = message.split('\n').map((line) => line.slice(0, line.indexOf(': ')));
      const wanted = path === '' || path.startsWith('[') ? path : `.${path}`;
      assert.ok(
        places.some((place) => place.endsWith(`(${factory.definition.name})${wanted}`)),
        `it blames "${path}": ${message}`,
      );
    }
  }),

  check('it refuses an option that it does not know', async (factory, given, context) => {
    const own = (await optionsOf(given)) ?? {};
    if (typeof own !== 'object' || Array.isArray(own)) return context.skip?.('its options are no object');
    const message = await refusal(factory, given, { ...own, [UNKNOWN]: true }, 'a misspelt option');
    if (factory.definition.options)
      assert.ok(message.includes(UNKNOWN), `it names the option it does not know: ${message}`);
  }),
];

/** The message with which the kernel refuses the plugin with these options. */
async function refusal(
  factory: PluginFactory,
  given: PluginGiven,
  options: unknown,
  what: string,
): Promise<string> {
  const error = await Trial.with(factory, given, { options }, (trial) => trial.prepare()).then(
    () => assert.fail(`it refuses ${what}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(KernelError.is(error, 'E_PLUGIN_OPTIONS'), `its schema refuses ${what}, not: ${error}`);
  return error.message;
}
