import type { PluginFactory } from '../plugin.ts';
import { definition } from './contract/definition.ts';
import { lifecycle } from './contract/lifecycle.ts';
import { messages } from './contract/messages.ts';
import { options } from './contract/options.ts';
import type { Check, ContractContext } from './contract/rule.ts';
import { secrets } from './contract/secrets.ts';
import { setup } from './contract/setup.ts';
import type { PluginGiven } from './contract/trial.ts';

export type { ContractContext } from './contract/rule.ts';
export type { PluginGiven } from './contract/trial.ts';

/** One rule of the contract between a plugin and its kernel. */
export interface ContractRule {
  /** A sentence, for the name of a test. */
  readonly name: string;
  /**
   * Rejects where the plugin breaks the rule, mostly with an `AssertionError`. What the plugin has no use for is skipped, by the
   * runner's own `skip`: give it the context that the runner gives a test.
   */
  run(context?: ContractContext): Promise<void>;
}

/**
 * What every plugin must do, as one table for any test runner:
 *
 * ```ts
 * for (const { name, run } of pluginContract(counter, { options: { everyMs: 1_000 }, invalidOptions: { everyMs: { everyMs: -1 } } }))
 *   test(name, run);
 * ```
 */
export function pluginContract<Input>(
  factory: PluginFactory<Input>,
  given: PluginGiven<NoInfer<Input>> = {},
): ContractRule[] {
  const checks: Check[] = [...definition, ...options, ...setup, ...lifecycle, ...messages, ...secrets];
  return checks.map(({ name, run }) => ({
    name,
    run: (context) => run(factory as PluginFactory, given as PluginGiven, context ?? {}),
  }));
}
