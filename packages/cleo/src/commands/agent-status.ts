import { agentOrLatest, runningPid } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { controlAddress } from '../control/address.ts';
import { EXIT } from '../exit-code.ts';
import { type State, withState } from '../state.ts';
import { describe } from '../status/describe.ts';
import { type Status, statusOf } from '../status/status.ts';
import { watch } from '../status/watch.ts';
import { UsageError } from '../usage-error.ts';

export interface StatusOptions {
  watch?: boolean;
  /** Milliseconds between two looks. */
  interval?: number;
}

const INTERVAL_MS = 1_000;

/**
 * Shows how a running agent is, as its process knows it. Ends with 3 when it does not run or is not well; with 0 when it was
 * watched for as long as somebody wanted.
 */
export async function run(cli: Cli, id: string | undefined, options: StatusOptions): Promise<void> {
  const { output, globals } = cli;
  const verbose = globals.verbose ?? false;
  if (options.interval !== undefined && !options.watch)
    throw new UsageError('--interval needs --watch', 'Add it: cleo agent status --watch --interval 5');
  const look = await withState((state) => lookAt(state, id));
  if (options.watch) return watch({ output, verbose, look, intervalMs: options.interval ?? INTERVAL_MS });
  const status = await look();
  output.result({ ok: true, ...status }, describe(status, { output, verbose }));
  if (!status.healthy) cli.exitCode = EXIT.unhealthy;
}

async function lookAt(state: State, id: string | undefined): Promise<() => Promise<Status>> {
  const { agentId } = await agentOrLatest(state, id);
  return () => statusOf(agentId, controlAddress(state.dir, agentId), runningPid(state, agentId));
}
