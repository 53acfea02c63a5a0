import { backoff, errorText, pause } from '@cleocode/contracts';
import type { Logger } from './logger.ts';

const RESTART_BASE_MS = 1_000;
const RESTART_CAP_MS = 30_000;

/** A plugin's background work, kept going: started anew with backoff when it throws, ended by its signal. */
export class SupervisedTask {
  readonly name: string;
  state: 'running' | 'restarting' | 'ended' = 'ended';
  restarts = 0;
  readonly #work: (signal: AbortSignal) => Promise<void>;
  /** Ends it for good. */
  readonly #signal: AbortSignal;
  readonly #logger: Logger;
  /** Ends the run under way, or the one that follows it; `undefined` when nothing runs. */
  #stop: AbortController | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(
    name: string,
    work: (signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
    logger: Logger,
  ) {
    this.name = name;
    this.#work = work;
    this.#signal = signal;
    this.#logger = logger;
    this.start();
  }

  /** Resolves when the work has ended; never rejects. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Begins the work again, after a stop under way. Does nothing while it runs. */
  start(): void {
    if (this.#stop && !this.#stop.signal.aborted) return;
    const own = new AbortController();
    const isStopping = this.#stop !== undefined;
    this.#stop = own;
    // At once where it can be, so that the work has begun when its plugin's handler returns.
    this.#ended = isStopping ? this.#ended.then(() => this.#supervise(own)) : this.#supervise(own);
  }

  /** Ends the work under way; resolves when it has ended. */
  stop(): Promise<void> {
    this.#stop?.abort(new Error(`task "${this.name}" was stopped`));
    return this.#ended;
  }

  async #supervise(own: AbortController): Promise<void> {
    const signal = AbortSignal.any([this.#signal, own.signal]);
    let failures = 0;
    while (!signal.aborted) {
      this.state = 'running';
      const began = performance.now();
      try {
        await this.#work(signal);
        break;
      } catch (error) {
        if (signal.aborted) break;
        // What ran this long was well: its next failure is a first one.
        if (performance.now() - began > RESTART_CAP_MS) failures = 0;
        const wait = Math.round(backoff(failures, RESTART_BASE_MS, RESTART_CAP_MS));
        failures += 1;
        this.restarts += 1;
        this.state = 'restarting';
        this.#logger.warn(`task "${this.name}" failed and starts again`, {
          error: errorText(error),
          restartInMs: wait,
        });
        await pause(wait, signal);
      }
    }
    if (this.#stop !== own) return;
    this.#stop = undefined;
    this.state = 'ended';
  }
}
