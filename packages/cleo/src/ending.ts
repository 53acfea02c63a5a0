import { EXIT } from './exit-code.ts';
import { type Failure, failureOf } from './failure.ts';
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

/** Where an ending is told. */
export interface EndingOutput extends Pick<Output, 'note' | 'onReaderGone'> {
  /** Nobody sits before it. */
  readonly detached?: boolean;
  /** `one` is what failed; without it, it is the process. */
  failure(failure: Failure, one?: Stoppable): void;
}

/**
 * Why and how what runs in this process ends: by a signal, an error that nobody caught, or a reader that is gone; or one by one,
 * as each is asked to.
 */
export class Ending {
  /** Resolves when all have ended, with whether all went as it should. */
  readonly reached: Promise<boolean>;
  /** Called when all of them have begun to end. */
  onBegun: () => void = () => {};
  readonly #running: readonly Stoppable[];
  readonly #ended = new Map<Stoppable, Promise<boolean>>();
  readonly #output: EndingOutput;
  readonly #unbindSignals: () => void;
  #resolve!: (ok: boolean) => void;
  #crashed = false;
  #slow: NodeJS.Timeout | undefined;

  constructor(
    running: readonly Stoppable[],
    output: EndingOutput,
    { readerMayLeave = false }: EndingOptions = {},
  ) {
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

  /** All of them end, or have ended. */
  get begun(): boolean {
    return this.#ended.size === this.#running.length;
  }

  /** It ends, or has ended. */
  has(one: Stoppable): boolean {
    return this.#ended.has(one);
  }

  /** Ends one of them. The others go on; with the last one the end is reached. */
  stop(one: Stoppable, reason: string): void {
    if (this.#ended.has(one)) return;
    this.#ended.set(one, one.stop(reason));
    if (!this.begun) return;
    this.onBegun();
    void Promise.all(this.#ended.values()).then((clean) => {
      this.#resolve(!this.#crashed && clean.every(Boolean));
    });
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
    if (this.#slow) return;
    this.#slow = setTimeout(() => {
      const again = this.#output.detached ? '' : ' Ctrl-C again ends it at once.';
      this.#output.note(`Stopping: waiting for what is being handled.${again}`);
    }, SLOW_STOP_MS).unref();
    void this.reached.then(() => clearTimeout(this.#slow));
    for (const one of this.#running) this.stop(one, reason);
  }
}
