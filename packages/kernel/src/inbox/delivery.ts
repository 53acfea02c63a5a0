import { type ConduitMessage, nextHop, type PushOptions } from '@cleocode/contracts';
import { KernelError } from '../errors.ts';
import type { HookEntry } from '../hooks.ts';
import type { Delivery } from '../plugin.ts';
import type { Item } from './lanes.ts';

/** Sends while a message is handled; the kernel binds it to the transport. */
export type Outbox = (
  item: Item,
  to: string,
  content: string,
  options: PushOptions,
) => Promise<{ messageId: string }>;

/**
 * One handler's view of one attempt. When the attempt is over (deadline, stop) it goes dead: what a late handler still
 * sends is refused, because another attempt may be at work.
 */
export class HandlerDelivery implements Delivery {
  readonly message: ConduitMessage;
  readonly attempt: number;
  readonly source: string;
  readonly hops: number;
  droppedBecause: string | undefined;
  readonly #entry: HookEntry;
  readonly #outbox: Outbox;
  readonly #item: Item;
  #sent = 0;
  #over = false;
  /** Why it is over. */
  #reason: unknown;
  #abort: AbortController | undefined;

  constructor(item: Item, attempt: number, entry: HookEntry, outbox: Outbox) {
    this.message = item.message;
    this.attempt = attempt;
    this.source = item.source;
    this.hops = item.hops;
    this.#entry = entry;
    this.#outbox = outbox;
    this.#item = item;
  }

  /** Whose handler it is made for. */
  get plugin(): string {
    return this.#entry.plugin;
  }

  /** Made when first asked for: most handlers never look, and a controller for each message is not free. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#over) this.#abort.abort(this.#reason);
    return this.#abort.signal;
  }

  // Bound, so that a handler may take its delivery apart: `({ message, reply }) => reply(…)`.
  readonly reply = (content: string): Promise<{ messageId: string }> => {
    const { from, threadId, id } = this.message;
    return this.#push(from, content, { replyTo: id, ...(threadId && { conversationId: threadId }) });
  };

  readonly send = (to: string, content: string): Promise<{ messageId: string }> =>
    this.#push(to, content, {});

  readonly drop = (reason: string): void => {
    this.droppedBecause = reason;
  };

  /** Ends this view: aborts its signal with `reason`, and refuses what comes after. */
  end(reason: unknown): void {
    this.#over = true;
    this.#reason = reason;
    this.#abort?.abort(reason);
  }

  async #push(to: string, content: string, options: { conversationId?: string; replyTo?: string }) {
    const { plugin, nth } = this.#entry;
    if (this.#over)
      throw new KernelError(
        'E_DELIVERY_OVER',
        `${plugin}: this delivery is over, nothing more is sent for it`,
        {
          plugin,
          phase: 'message',
          hint: 'Watch delivery.signal and stop when it aborts.',
          cause: this.#reason,
        },
      );
    this.#sent += 1;
    // The same for the n-th message of a handler in every attempt, so that a retry does not say things twice.
    const handler = nth === 1 ? plugin : `${plugin}/${nth}`;
    const idempotencyKey = `${this.#item.key}:${handler}:${this.#sent}`;
    const metadata = nextHop(this.hops);
    return this.#outbox(this.#item, to, content, {
      ...options,
      idempotencyKey,
      metadata,
      signal: this.signal,
    });
  }
}
