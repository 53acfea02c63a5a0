import { checkAgentId } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { failureOf } from '../failure.ts';
import { takeBackground } from '../start/background.ts';
import { detach } from '../start/detach.ts';
import type { HandlerFlags } from '../start/kernel-config.ts';
import { UsageError } from '../usage-error.ts';

export interface StartOptions extends HandlerFlags {
  all?: boolean;
  stdout?: boolean;
  detach?: boolean;
}

/**
 * Runs agents until a signal ends them, or a request to each: in the foreground, or with `--detach` in a process of their own. Each
 * has a kernel of its own: one that fails is not another's.
 */
export async function run(cli: Cli, ids: string[], options: StartOptions): Promise<void> {
  refuseContradictions(ids, options);
  for (const id of ids) checkAgentId(id);
  const background = options.detach ? takeBackground() : undefined;
  if (options.detach && !background) return detach(cli);
  try {
    const { runHere } = await import('../start/run-here.ts');
    await runHere(cli, ids, options, background);
  } catch (error) {
    background?.failure(failureOf(error));
    throw error;
  }
}

/** Throws a `UsageError` for flags that say two things at once. */
export function refuseContradictions(ids: readonly string[], options: StartOptions): void {
  const { all, reply, exec, webhook, allowPrivate } = options;
  if (all && ids.length > 0) throw new UsageError('--all and ids were given', 'Give the one or the other.');
  if (reply && !exec && !webhook)
    throw new UsageError(
      '--reply needs --exec or --webhook: nothing else has something to say',
      "Say what answers: --exec './answer.sh' --reply",
    );
  if (allowPrivate && !webhook)
    throw new UsageError(
      '--allow-private needs --webhook',
      'Say where messages go: --webhook http://127.0.0.1:3000/ --allow-private',
    );
}
