import { flushCompileCache } from 'node:module';
import { Ending, type EndingOptions } from '../ending.ts';
import { EXIT } from '../exit-code.ts';
import { failureOf } from '../failure.ts';
import type { Output } from '../output.ts';
import type { Resident } from './resident.ts';

/** After the start, so as not to be in its way. */
const FLUSH_AFTER_MS = 1_000;

/**
 * Starts the agents and runs them until a signal or an unforeseen error ends them. Answers the exit code. Rejects when
 * none of them could be started, with the first one's error.
 */
export async function untilStopped(
  residents: readonly Resident[],
  output: Output,
  onReady: (first: Resident) => void,
  options?: EndingOptions,
): Promise<number> {
  const end = new Ending(residents, output, options);
  // What a plugin keeps open is its own affair: a process without open handles would otherwise simply end.
  const alive = setInterval(() => {}, 2 ** 30);
  try {
    const ready = await startAll(residents, output, end);
    if (!end.begun) onReady(ready[0]!);
    // A process that is killed later leaves a warm cache all the same.
    setTimeout(flushCompileCache, FLUSH_AFTER_MS).unref();
    const ok = await end.reached;
    return ok && ready.length === residents.length ? EXIT.done : EXIT.failed;
  } finally {
    clearInterval(alive);
    end.unbind();
  }
}

/** Starts all of them and answers those that are ready; what kept the others from it has been told. */
async function startAll(
  residents: readonly Resident[],
  output: Output,
  end: Ending,
): Promise<readonly Resident[]> {
  const results = await Promise.allSettled(residents.map((one) => one.start()));
  // Stopped while starting: that is what was asked for.
  if (end.begun) return residents;
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  if (errors.length === residents.length) throw errors[0];
  for (const error of errors) output.failure(failureOf(error));
  return residents.filter((_, index) => results[index]!.status === 'fulfilled');
}
