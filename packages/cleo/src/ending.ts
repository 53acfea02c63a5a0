import { EXIT } from './exit-code.ts';
import { failureOf } from './failure.ts';
import type { Output } from './output.ts';
import { onStopSignal } from './signals.ts';

/** How long a stop may take that an unforeseen error made necessary, in milliseconds. */
const CRASH_STOP_MS = 15_000;
/** When somebody waits for a stop, they are told what for. */
const SLOW_STOP_MS = 1_000;

/** What runs until this process is asked to end. */
export interface Stoppable {
  /** Resolves with whether nothing had to be forced; never rejects. */
  stop(reason: string): Promise<boolean>;
}

export interface EndingOptions {
  /** Somebody may read as much as they like and leave: that is an end as good as any. */
  readerMayLeave?: boolean;
}

/** Why and how what runs in this process ends: by a signal, an error that nobody caught, or a reader that is gone. */
export class Ending {
  /** Resolves when all have ended, with whether all went as it should. */
  readonly reached: Promise<boolean>;
  begun = false;
  readonly #running: readonly Stoppable[];
  readonly #output: Output;
  readonly #unbindSignals: () => void;
  #resolve!: (ok: boolean) => void;
  #crashed = false;

  constructor(running: readonly Stoppable[], output: Output, { readerMayLeave = false }: EndingOptions = {}) {
    this.#running = running;
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
      if (!readerMayLeave) output.note('stdout was closed by its reader: stopping');
      this.#begin('stdout closed');
      this.#crashed ||= !readerMayLeave;
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
    void Promise.all(this.#running.map((one) => one.stop(reason))).then((clean) => {
      clearTimeout(slow);
      this.#resolve(!this.#crashed && clean.every(Boolean));
    });
  }
}
