import { flushCompileCache } from 'node:module';
import { Ending, type EndingOptions, type EndingOutput } from '../ending.ts';
import { EXIT } from '../exit-code.ts';
import { failureOf } from '../failure.ts';
import type { Resident } from './resident.ts';
import { serviceManager } from './service-manager.ts';

/** After the start, so as not to be in its way. */
const FLUSH_AFTER_MS = 1_000;

/**
 * Starts the agents and runs them until a signal, an unforeseen error or a request to each ends them. Answers the exit code. Rejects when
 * none of them could be started, with the first one's error.
 */
export async function untilStopped(
  residents: readonly Resident[],
  output: EndingOutput,
  onReady: (first: Resident) => void,
  options?: EndingOptions,
): Promise<number> {
  const end = new Ending(residents, output, options);
  const manager = serviceManager(residents, output);
  // What a plugin keeps open is its own affair: a process without open handles would otherwise simply end.
  const alive = setInterval(() => {}, 2 ** 30);
  try {
    const ready = await startAll(residents, output, end);
    if (!end.begun) onReady(ready[0]!);
    end.onBegun = () => void manager?.stopping();
    void manager?.ready();
    // A process that is killed later leaves a warm cache all the same.
    setTimeout(flushCompileCache, FLUSH_AFTER_MS).unref();
    const ok = await end.reached;
    return ok && ready.length === residents.length ? EXIT.done : EXIT.failed;
  } finally {
    clearInterval(alive);
    manager?.end();
    end.unbind();
  }
}

/** Starts all of them and answers those that are ready; what kept the others from it has been told. */
async function startAll(
  residents: readonly Resident[],
  output: EndingOutput,
  end: Ending,
): Promise<readonly Resident[]> {
  const results = await Promise.allSettled(
    residents.map((one) => one.start(() => end.stop(one, 'requested'))),
  );
  const failed = residents.flatMap((one, index) => {
    const result = results[index]!;
    // Stopped while starting: that is what was asked for.
    return result.status === 'rejected' && !end.has(one) ? [{ one, error: result.reason }] : [];
  });
  if (failed.length === residents.length) throw failed[0]!.error;
  for (const { one, error } of failed) {
    output.failure(failureOf(error), one);
    // It has ended by itself: the others need not wait for a request to it.
    end.stop(one, 'failed start');
  }
  return residents.filter((one) => !failed.some((other) => other.one === one));
}
