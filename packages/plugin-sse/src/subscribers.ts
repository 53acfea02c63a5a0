import { type ConduitMessage, type Inbox, isThenable, type ReceiveResult } from '@cleocode/contracts';

type Subscriber = (message: ConduitMessage) => void;

/** Ids remembered of a backend that does not number its messages. */
const REMEMBERED = 10_000;

/** Where a stream's messages go that are handed on as they come: to each subscriber, each message once, in order. */
export class Subscribers implements Pick<Inbox, 'receive' | 'room'> {
  readonly room = Number.POSITIVE_INFINITY;
  readonly #subscribers = new Set<Subscriber>();
  readonly #onError: (error: unknown) => void;
  readonly #seen = new Set<string>();
  #cursor = 0;
  #closed = false;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Everything up to here was handed on; 0 before the first message. */
  get cursor(): number {
    return this.#cursor;
  }

  get size(): number {
    return this.#subscribers.size;
  }

  add(subscriber: Subscriber): () => void {
    // Its own identity, so that one function added twice is called twice.
    const own: Subscriber = (message) => subscriber(message);
    // What has arrived by now and is not looked at yet is not new to it.
    const adding = setImmediate(() => {
      if (!this.#closed) this.#subscribers.add(own);
    });
    return () => {
      clearImmediate(adding);
      this.#subscribers.delete(own);
    };
  }

  /** Nobody hears anything any more. */
  close(): void {
    this.#closed = true;
    this.#subscribers.clear();
  }

  receive(messages: readonly ConduitMessage[]): ReceiveResult {
    const fresh = messages.filter((message) => this.#isNew(message));
    for (const message of fresh) this.#handOn(message);
    return { accepted: fresh.length, duplicates: messages.length - fresh.length, deferred: [] };
  }

  #isNew({ id, seq }: ConduitMessage): boolean {
    if (seq !== undefined) {
      const isNew = seq > this.#cursor;
      this.#cursor = Math.max(this.#cursor, seq);
      return isNew;
    }
    if (this.#seen.has(id)) return false;
    this.#seen.add(id);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.keys().next().value!);
    return true;
  }

  #handOn(message: ConduitMessage): void {
    // One of them may take another away.
    for (const subscriber of [...this.#subscribers])
      if (this.#subscribers.has(subscriber)) this.#call(subscriber, message);
  }

  #call(subscriber: Subscriber, message: ConduitMessage): void {
    try {
      const returned: unknown = subscriber(message);
      if (isThenable(returned)) returned.then(undefined, this.#onError);
    } catch (error) {
      this.#onError(error);
    }
  }
}
