import type { Transport } from '@cleocode/contracts';
import type { InboxOptions } from '../inbox/options.ts';
import type { LogLevel } from '../logger.ts';
import type { Plugin } from '../plugin.ts';
import type { OldName } from '../renamed.ts';

/** Who the agent is, and where its backend answers. */
export interface AgentConfig {
  /** The agent this process is: 1 to 64 letters, digits and `.`, `_`, `+`, `-`. */
  id: string;
  /** Its key. Default: the one in the store, which is where a key should live. Never write it into a file you commit. */
  apiKey?: string;
  /** Where its backend answers: an http(s) URL, or `local:` for the embedded one. Default: what the store says. */
  apiBaseUrl?: string;
}

/** Deadlines in whole milliseconds, from 1 to 2,147,483,647 (the longest wait a timer can hold: 24.8 days). */
export interface KernelTimeouts {
  /** For each `init` handler. Default 10,000. */
  initMs?: number;
  /** For each `start` handler. Default 10,000. */
  startMs?: number;
  /** For one run of a `message` handler; an agent that thinks needs minutes. Default 300,000. */
  messageMs?: number;
  /** How long a stop waits for messages in flight before it gives them back. Default 10,000. */
  drainMs?: number;
  /** For each `stop` handler, task and deferred clean-up. Default 5,000. */
  stopMs?: number;
}

/** A plugin by name, resolved from the configuration's folder, alone or with its options. */
export type PluginName = string | [name: string, options?: unknown];

/** What `cleo.config.ts` exports. Every part is optional; unknown keys are refused. */
export interface CleoConfig {
  /** Which agent to run. Default: the most recently active one in the store. */
  agent?: string | AgentConfig;
  /** How messages reach and leave the agent. Default: chosen from the agent's credential. */
  transport?: Plugin | Transport | PluginName;
  /** In the order they run. Falsy entries are left out: `process.env.CI ? false : poller()`. Default: none. */
  plugins?: (Plugin | PluginName | false | null | undefined)[];
  /** The bounds of the inbox: how much it holds, how much it does at once, how it retries. */
  inbox?: InboxOptions;
  /** How long each part of the lifecycle may take. */
  timeouts?: KernelTimeouts;
  /** What is logged: this level and above. Default `info`. */
  logLevel?: LogLevel;
}

/** A configuration computed when it is loaded. A promise is awaited, 30 s at most. */
export type CleoConfigFunction = () => CleoConfig | Promise<CleoConfig>;

/** A configuration ready for the kernel: names are plugins now, falsy entries are gone, the agent is an object. */
export interface ResolvedConfig extends CleoConfig {
  agent?: AgentConfig;
  transport?: Plugin | Transport;
  plugins: Plugin[];
  /** Options of the file that are called by an old name. Given to the kernel, it warns of each. */
  oldNames?: readonly OldName[];
}

/** Gives `cleo.config.ts` its types, and returns what it was given. */
export function defineConfig(config: CleoConfigFunction): CleoConfigFunction;
export function defineConfig(config: CleoConfig): CleoConfig;
export function defineConfig(config: CleoConfig | CleoConfigFunction): CleoConfig | CleoConfigFunction {
  return config;
}
