import { CleoError } from '@cleocode/contracts';
import { backoff, pause, withDeadline } from '../deadline.ts';

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
  #request: AbortController | undefined;
  #waiting: string[] = [];
  #inFlight = 0;
  #running: Promise<void> | undefined;

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
    this.#request?.abort();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    let failures = 0;
    while (this.#waiting.length > 0 && !this.#closed.signal.aborted) {
      const batch = this.#waiting.splice(0, BATCH);
      this.#inFlight = batch.length;
      const error = await this.#send(batch);
      this.#inFlight = 0;
      if (error === undefined) {
        if (failures > 0) this.#options.onState(undefined);
        failures = 0;
        continue;
      }
      if (isRefused(error)) {
        await this.#sendEach(batch, error);
        continue;
      }
      this.#waiting.unshift(...batch);
      if (failures === 0) this.#options.onState(error);
      const wait = Math.max(backoff(failures, RETRY_BASE_MS, RETRY_CAP_MS), retryAfter(error));
      failures += 1;
      await pause(wait, this.#closed.signal);
    }
    this.#running = undefined;
  }

  async #send(batch: string[]): Promise<unknown> {
    this.#request = new AbortController();
    try {
      await withDeadline(
        this.#options.ack(batch, this.#request.signal),
        DEADLINE_MS,
        () => new Error(`no answer to an ack within ${DEADLINE_MS} ms`),
      );
      return undefined;
    } catch (error) {
      this.#request.abort();
      return error ?? new Error('ack failed');
    }
  }

  /** One bad id must not hold up the others of its batch. */
  async #sendEach(batch: string[], first: unknown): Promise<void> {
    if (batch.length === 1) return this.#options.onRefused(batch, first);
    for (const id of batch) {
      const error = await this.#send([id]);
      if (error === undefined) continue;
      if (isRefused(error)) this.#options.onRefused([id], error);
      else this.#waiting.push(id);
    }
  }
}

/** The backend understood and said no: the same request will not succeed later. A refused key is not that. */
function isRefused(error: unknown): boolean {
  return (
    CleoError.is(error) && (error.code.startsWith('E_VALIDATION') || error.code.startsWith('E_NOT_FOUND'))
  );
}

function retryAfter(error: unknown): number {
  return CleoError.is(error) ? (error.retryAfterMs ?? 0) : 0;
}
