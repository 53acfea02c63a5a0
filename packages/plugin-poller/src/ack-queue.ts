import { CleoError, type Transport } from '@cleocode/contracts';
import { Alarm } from './alarm.ts';
import type { Condition } from './condition.ts';
import { request } from './deadline.ts';
import { retryDelay } from './retry.ts';

const BATCH = 200;
/** Beyond this the oldest are forgotten: the backend shows them again, and they are acked then. */
const WAITING = 10_000;

/** Sends acks in batches, one request at a time, and tries again what the backend might still take. */
export class AckQueue {
  readonly #transport: Transport;
  readonly #timeoutMs: number;
  readonly #condition: Condition;
  readonly #alarm = new Alarm();
  readonly #abort = new AbortController();
  #waiting: string[] = [];
  #running: Promise<void> | undefined;
  #closing = false;

  constructor(transport: Transport, timeoutMs: number, condition: Condition) {
    this.#transport = transport;
    this.#timeoutMs = timeoutMs;
    this.#condition = condition;
  }

  get size(): number {
    return this.#waiting.length;
  }

  add(id: string): void {
    this.#waiting.push(id);
    if (this.#waiting.length > WAITING) this.#waiting.shift();
    // The end of the tick, so that what finishes together is acked together.
    this.#running ??= new Promise((resolve) => setImmediate(() => this.#run().then(resolve)));
  }

  /** Sends what waits, trying each batch once, for at most `ms` milliseconds. What is left comes back from the backend. */
  async close(ms: number): Promise<void> {
    this.#closing = true;
    this.#alarm.ring();
    const giveUp = setTimeout(() => this.#abort.abort(new Error('the poller is stopping')), ms);
    await this.#running;
    clearTimeout(giveUp);
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (this.#waiting.length > 0 && !signal.aborted) {
      const batch = this.#waiting.splice(0, BATCH);
      const wait = await this.#send(batch, signal);
      if (wait === undefined) continue;
      if (this.#closing) break;
      this.#waiting.unshift(...batch);
      await this.#alarm.wait(wait, signal);
    }
    this.#running = undefined;
  }

  /** Answers how long to wait before the next try, or `undefined` when there is none to make. */
  async #send(batch: string[], signal: AbortSignal): Promise<number | undefined> {
    const bounds = { timeoutMs: this.#timeoutMs, signal };
    try {
      await request(this.#transport, 'ack', bounds, (own) => this.#transport.ack(batch, { signal: own }));
      this.#condition.ok();
      return undefined;
    } catch (error) {
      const wait = retryDelay(error, this.#condition.failures);
      this.#condition.fail(error);
      return isRefused(error) ? undefined : wait;
    }
  }
}

/** The backend understood and said no; the same request will not succeed later. */
function isRefused(error: unknown): boolean {
  return CleoError.is(error) && /^E_(VALIDATION|NOT_FOUND)/.test(error.code);
}
