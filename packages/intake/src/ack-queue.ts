import { backoff, CleoError, callTransport, type Transport } from '@cleocode/contracts';
import { Alarm } from './alarm.ts';
import type { Condition } from './condition.ts';
import { retryDelay } from './retry.ts';

export interface AckQueueOptions {
  transport: Pick<Transport, 'name' | 'ack'>;
  /** The deadline of each request, in milliseconds. */
  timeoutMs: number;
  /** Whether acks get through. */
  condition: Condition;
  /** The backend will never take the ack of this message. Not told again of the latest 1,000 of them. */
  onRefused(id: string, error: unknown): void;
}

const BATCH = 200;
/** Beyond this the oldest are forgotten: the backend shows them again, and they are acked then. */
const MAX_WAITING = 10_000;
const MAX_REFUSED = 1_000;
const REFUSED_BASE_MS = 250;
const REFUSED_CAP_MS = 2_000;

/** Sends acks in batches, one request at a time, and tries again what the backend might still take. */
export class AckQueue {
  readonly #options: AckQueueOptions;
  readonly #alarm = new Alarm();
  readonly #abort = new AbortController();
  /** In the order in which they came, those of the request under way included. */
  readonly #waiting = new Set<string>();
  readonly #refused = new Set<string>();
  /** How many ids the next request has. One bad id must not hold up the others: they are halved until it is found. */
  #batch = BATCH;
  /** Ids set aside in a row. */
  #refusals = 0;
  #running: Promise<void> | undefined;
  #closing = false;

  constructor(options: AckQueueOptions) {
    this.#options = options;
  }

  /** Done but not acked yet. */
  get size(): number {
    return this.#waiting.size;
  }

  add(id: string): void {
    if (this.#refused.has(id)) return;
    keep(this.#waiting, id, MAX_WAITING);
    // The end of the tick, so that what finishes together is acked together.
    this.#running ??= new Promise((resolve) => setImmediate(() => this.#run().then(resolve)));
  }

  /** Sends what waits, without trying again what fails, for at most `ms` milliseconds. What is left comes back from the backend. */
  async close(ms: number): Promise<void> {
    this.#closing = true;
    this.#alarm.ring();
    const giveUp = setTimeout(() => this.#abort.abort(new Error('no time is left for acks')), ms);
    await this.#running;
    clearTimeout(giveUp);
    this.#abort.abort();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { condition } = this.#options;
    const { signal } = this.#abort;
    while (this.#waiting.size > 0 && !signal.aborted) {
      const batch = [...this.#waiting].slice(0, this.#batch);
      const error = await this.#send(batch, signal);
      if (signal.aborted) break;
      if (error !== undefined && !isRefused(error)) {
        const wait = retryDelay(error, condition.failures);
        condition.fail(error);
        if (this.#closing) break;
        await this.#alarm.wait(wait, signal);
        continue;
      }
      condition.ok();
      if (error === undefined) this.#taken(batch);
      else if (batch.length > 1) this.#batch = Math.ceil(batch.length / 2);
      else await this.#setAside(batch[0]!, error);
    }
    this.#running = undefined;
  }

  /** One request. Answers its error, if any. */
  async #send(batch: string[], signal: AbortSignal): Promise<unknown> {
    const { transport, timeoutMs } = this.#options;
    try {
      await callTransport(transport, 'ack', { timeoutMs, signal }, (own) =>
        transport.ack(batch, { signal: own }),
      );
      return undefined;
    } catch (error) {
      return error ?? new Error('ack failed');
    }
  }

  #taken(batch: readonly string[]): void {
    for (const id of batch) this.#waiting.delete(id);
    this.#batch = Math.min(BATCH, this.#batch * 2);
    this.#refusals = 0;
  }

  /** A backend that refuses all of them is not to be asked for each at full speed. */
  async #setAside(id: string, error: unknown): Promise<void> {
    this.#waiting.delete(id);
    keep(this.#refused, id, MAX_REFUSED);
    this.#options.onRefused(id, error);
    const wait = backoff(this.#refusals, REFUSED_BASE_MS, REFUSED_CAP_MS);
    this.#refusals += 1;
    if (!this.#closing) await this.#alarm.wait(wait, this.#abort.signal);
  }
}

/** Adds to a set that holds the latest `most`. */
function keep(set: Set<string>, value: string, most: number): void {
  set.add(value);
  if (set.size > most) set.delete(set.values().next().value!);
}

/** The backend understood and said no: the same request will not succeed later. A refused key is not that. */
function isRefused(error: unknown): boolean {
  return CleoError.is(error) && /^E_(VALIDATION|NOT_FOUND)/.test(error.code);
}
