import { backoff, CleoError, pause, type Transport, withDeadline } from '@cleocode/contracts';
import { ackTimedOut } from './errors.ts';

const BATCH = 200;
/** Beyond this the oldest are forgotten: the backend shows them again, and they are acked then. */
const MAX_WAITING = 10_000;
const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 30_000;

export interface AcksOptions {
  transport: Pick<Transport, 'name' | 'ack'>;
  /** The deadline of each request in milliseconds. */
  timeoutMs: number;
  /** Runs when acks begin to fail; not again while they go on failing. */
  onError(error: unknown): void;
}

/** Sends acks in batches, one request at a time, and tries again what the backend might still take. */
export class Acks {
  readonly #options: AcksOptions;
  readonly #closed = new AbortController();
  #waiting: string[] = [];
  #running: Promise<void> | undefined;
  #failures = 0;

  constructor(options: AcksOptions) {
    this.#options = options;
  }

  add(id: string): void {
    this.#waiting.push(id);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    // The end of the tick, so that what finishes together is acked together.
    this.#running ??= new Promise((resolve) => setImmediate(() => this.#run().then(resolve)));
  }

  /** Resolves when nothing waits any more, or after `ms` milliseconds. What is left comes back from the backend. */
  async close(ms: number): Promise<void> {
    const giveUp = setTimeout(() => this.#closed.abort(new Error('no time is left for acks')), ms);
    await this.#running;
    clearTimeout(giveUp);
    this.#closed.abort();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { signal } = this.#closed;
    while (this.#waiting.length > 0 && !signal.aborted) {
      const batch = this.#waiting.splice(0, BATCH);
      if (await this.#send(batch, signal)) continue;
      this.#waiting.unshift(...batch);
      await pause(backoff(this.#failures, RETRY_BASE_MS, RETRY_CAP_MS), signal);
    }
    this.#running = undefined;
  }

  /** Answers whether there is nothing left to do about the batch. */
  async #send(batch: string[], signal: AbortSignal): Promise<boolean> {
    const { transport, timeoutMs, onError } = this.#options;
    const own = new AbortController();
    try {
      const late = () => ackTimedOut(transport.name, timeoutMs);
      await withDeadline(transport.ack(batch, { signal: own.signal }), timeoutMs, late, signal);
      this.#failures = 0;
      return true;
    } catch (error) {
      own.abort(error);
      if (this.#failures === 0 && !signal.aborted) onError(error);
      this.#failures += 1;
      // The backend understood and said no: the same request will not succeed later.
      return CleoError.is(error) && /^E_(VALIDATION|NOT_FOUND)/.test(error.code);
    }
  }
}
