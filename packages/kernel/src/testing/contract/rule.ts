import type { PluginFactory } from '../../plugin.ts';
import type { PluginGiven } from './trial.ts';

/** What a test runner gives a test, as far as it matters here: `node:test`, vitest and others have it. */
export interface ContractContext {
  skip?(reason?: string): void;
}

export interface Check {
  name: string;
  run(factory: PluginFactory, given: PluginGiven, context: ContractContext): Promise<void>;
}

export function check(name: string, run: Check['run']): Check {
  return { name, run };
}
