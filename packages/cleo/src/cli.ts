import type { Output } from './output.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** The options every command takes. */
export interface GlobalOptions {
  cwd?: string;
  config?: string;
  json?: boolean;
  logLevel?: (typeof LOG_LEVELS)[number];
  verbose?: boolean;
}

/** What a command is given besides its own arguments. */
export interface Cli {
  readonly output: Output;
  readonly globals: Readonly<GlobalOptions>;
  /** The command line, and where it was given; `undefined`: in the folder this process is in. */
  readonly argv: readonly string[];
  startedIn?: string;
  /** What the process answers. */
  exitCode: number;
}
