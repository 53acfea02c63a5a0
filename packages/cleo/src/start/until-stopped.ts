import { flushCompileCache } from 'node:module';
import { EXIT } from '../exit-code.ts';
import { failureOf } from '../failure.ts';
import type { Output } from '../output.ts';
import type { Resident } from './resident.ts';
import { onStopSignal } from './signals.ts';

/** How long a stop may take that an unforeseen error made necessary, in milliseconds. */
const CRASH_STOP_MS = 15_000;
/** When somebody waits for a stop, they are told what for. */
const SLOW_STOP_MS = 1_000;
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
): Promise<number> {
  const end = new Ending(residents, output);
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

/** Why and how the agents of this process end. */
class Ending {
  /** Resolves when all have ended, with whether all went as it should. */
  readonly reached: Promise<boolean>;
  begun = false;
  readonly #residents: readonly Resident[];
  readonly #output: Output;
  readonly #unbindSignals: () => void;
  #resolve!: (ok: boolean) => void;
  #crashed = false;

  constructor(residents: readonly Resident[], output: Output) {
    this.#residents = residents;
    this.#output = output;
    this.reached = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#unbindSignals = onStopSignal(
      (signal) => this.#begin(signal),
      () => process.exit(EXIT.interrupted),
    );
    process.on('uncaughtException', this.#crash);
    process.on('unhandledRejection', this.#crash);
    output.onReaderGone = () => {
      output.note('stdout was closed by its reader: stopping');
      this.#begin('stdout closed');
      this.#crashed = true;
    };
  }

  unbind(): void {
    this.#unbindSignals();
    process.off('uncaughtException', this.#crash);
    process.off('unhandledRejection', this.#crash);
  }

  #crash = (error: unknown): void => {
    this.#output.failure(failureOf(error));
    if (this.#crashed) return;
    this.#crashed = true;
    setTimeout(() => process.exit(EXIT.failed), CRASH_STOP_MS).unref();
    this.#begin('crashed');
  };

  #begin(reason: string): void {
    if (this.begun) return;
    this.begun = true;
    const slow = setTimeout(() => {
      this.#output.note('Stopping: waiting for what is being handled. Ctrl-C again ends it at once.');
    }, SLOW_STOP_MS);
    void Promise.all(this.#residents.map((one) => one.stop(reason))).then((clean) => {
      clearTimeout(slow);
      this.#resolve(!this.#crashed && clean.every(Boolean));
    });
  }
}
