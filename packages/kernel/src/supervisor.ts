import { backoff, errorText, pause } from '@cleocode/contracts';
import type { Logger } from './logger.ts';

const RESTART_BASE_MS = 1_000;
const RESTART_CAP_MS = 30_000;

/** A plugin's background work, kept going: started anew with backoff when it throws, ended by its signal. */
export class SupervisedTask {
  readonly name: string;
  /** Resolves when the work has ended for good; never rejects. */
  readonly ended: Promise<void>;
  state: 'running' | 'restarting' | 'ended' = 'running';
  restarts = 0;

  constructor(
    name: string,
    work: (signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
    logger: Logger,
  ) {
    this.name = name;
    this.ended = this.#supervise(work, signal, logger);
  }

  async #supervise(
    work: (signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
    logger: Logger,
  ): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      this.state = 'running';
      const began = performance.now();
      try {
        await work(signal);
        break;
      } catch (error) {
        if (signal.aborted) break;
        // What ran this long was well: its next failure is a first one.
        if (performance.now() - began > RESTART_CAP_MS) failures = 0;
        const wait = Math.round(backoff(failures, RESTART_BASE_MS, RESTART_CAP_MS));
        failures += 1;
        this.restarts += 1;
        this.state = 'restarting';
        logger.warn(`task "${this.name}" failed and starts again`, {
          error: errorText(error),
          restartInMs: wait,
        });
        await pause(wait, signal);
      }
    }
    this.state = 'ended';
  }
}
