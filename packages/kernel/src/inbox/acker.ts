import { backoff, CleoError, callWithin, pause, pauseAskedBy, withDeadline } from '@cleocode/contracts';

export interface AckerOptions {
  ack(ids: string[], signal: AbortSignal): Promise<void>;
  /** Runs when acks begin to fail, and with `undefined` when they work again. */
  onState(error: unknown): void;
  /** An id the backend will never take; it is given up. */
  onRefused(ids: string[], error: unknown): void;
}

const BATCH = 200;
/** Ids beyond this are forgotten, oldest first: the backend shows them again, the journal knows them, they are acked then. */
const MAX_WAITING = 10_000;
const DEADLINE_MS = 10_000;
const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 15_000;

/** Sends acks in batches, one request at a time, and never gives up on an id the backend might still take. */
export class Acker {
  readonly #options: AckerOptions;
  readonly #closed = new AbortController();
  #waiting: string[] = [];
  #inFlight = 0;
  #running: Promise<void> | undefined;
  /** In a row, across runs: trouble that was reported lasts until a request is answered. */
  #failures = 0;

  constructor(options: AckerOptions) {
    this.#options = options;
  }

  /** Done but not yet acked at the backend. */
  get size(): number {
    return this.#waiting.length + this.#inFlight;
  }

  add(ids: readonly string[]): void {
    for (const id of ids) this.#waiting.push(id);
    if (this.#waiting.length > MAX_WAITING) this.#waiting = this.#waiting.slice(-MAX_WAITING);
    // The end of the tick, so that what finishes together is acked together.
    this.#running ??= new Promise((resolve) => setImmediate(() => this.#run().then(resolve)));
  }

  /** Resolves when nothing waits any more, or after `ms`; what is left comes back from the backend. */
  async flush(ms: number): Promise<void> {
    if (this.#running) await withDeadline(this.#running, ms, () => undefined).catch(() => {});
    this.#closed.abort();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const closed = this.#closed.signal;
    while (this.#waiting.length > 0 && !closed.aborted) {
      const batch = this.#waiting.splice(0, BATCH);
      this.#inFlight = batch.length;
      const { left, error } = await this.#deliver(batch);
      this.#inFlight = 0;
      this.#waiting.unshift(...left);
      if (left.length === 0) {
        if (this.#failures > 0) this.#options.onState(undefined);
        this.#failures = 0;
      } else if (!closed.aborted) {
        if (this.#failures === 0) this.#options.onState(error);
        const wait = Math.max(backoff(this.#failures, RETRY_BASE_MS, RETRY_CAP_MS), pauseAskedBy(error));
        this.#failures += 1;
        await pause(wait, closed);
      }
    }
    this.#running = undefined;
  }

  /** Answers what of the batch the backend did not get to hear, and why. */
  async #deliver(batch: string[]): Promise<{ left: string[]; error?: unknown }> {
    const error = await this.#send(batch);
    if (error === undefined) return { left: [] };
    if (!isRefused(error)) return { left: batch, error };
    if (batch.length === 1) {
      this.#options.onRefused(batch, error);
      return { left: [] };
    }
    // One bad id must not hold up the others of its batch.
    for (const [index, id] of batch.entries()) {
      const one = await this.#deliver([id]);
      if (one.left.length > 0) return { ...one, left: batch.slice(index) };
    }
    return { left: [] };
  }

  /** One request. Answers its error, if any. */
  async #send(batch: string[]): Promise<unknown> {
    const bounds = { timeoutMs: DEADLINE_MS, signal: this.#closed.signal };
    const timedOut = () => new Error(`no answer to an ack within ${DEADLINE_MS} ms`);
    try {
      await callWithin(bounds, timedOut, (signal) => this.#options.ack(batch, signal));
      return undefined;
    } catch (error) {
      return error ?? new Error('ack failed');
    }
  }
}

/** The backend understood and said no: the same request will not succeed later. A refused key is not that. */
function isRefused(error: unknown): boolean {
  return (
    CleoError.is(error) && (error.code.startsWith('E_VALIDATION') || error.code.startsWith('E_NOT_FOUND'))
  );
}
