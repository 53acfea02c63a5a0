import { CleoError, isThenable } from '@cleocode/contracts';
import { KernelError } from '../errors.ts';
import type { HookEntry, HookRun } from '../hooks.ts';
import { HandlerDelivery, type Outbox } from './delivery.ts';
import type { Item } from './lanes.ts';

export interface HandlerFailure {
  plugin: string;
  error: unknown;
}

const NOTHING = Promise.resolve();
const NONE: readonly HandlerFailure[] = [];

/**
 * One pass of a message over its handlers. Each handler is contained: what it throws, rejects with, or never settles is
 * noted under its plugin's name, and the next one runs. Handlers that succeeded in an earlier attempt are left out.
 */
export class Attempt implements HookRun {
  /** A stop gave it up before every handler had its turn. */
  cutShort = false;
  dropped: { plugin: string; reason: string } | undefined;
  readonly #item: Item;
  readonly #number: number;
  readonly #outbox: Outbox;
  readonly #timeoutMs: number;
  #failures: HandlerFailure[] | undefined;
  #current: HandlerDelivery | undefined;
  #abandonedFor: unknown;
  #release: (() => void) | undefined;

  constructor(item: Item, number: number, outbox: Outbox, timeoutMs: number) {
    this.#item = item;
    this.#number = number;
    this.#outbox = outbox;
    this.#timeoutMs = timeoutMs;
  }

  get failures(): readonly HandlerFailure[] {
    return this.#failures ?? NONE;
  }

  /** The failure that decides: one that no retry can help, else the first. */
  get decisive(): (HandlerFailure & { permanent: boolean }) | undefined {
    const permanent = this.failures.find(({ error }) => CleoError.is(error, 'E_PERMANENT'));
    const failure = permanent ?? this.failures[0];
    return failure && { ...failure, permanent: permanent !== undefined };
  }

  /** Whether nobody failed it and yet nobody handled it: the handlers were turned off meanwhile. */
  get unhandled(): boolean {
    if (this.dropped || this.failures.length > 0) return false;
    return !this.#item.handled?.some(({ band }) => band !== 'pre');
  }

  /** The plugin whose handler has begun and not settled. */
  get waitingFor(): string | undefined {
    return this.#release && this.#current?.plugin;
  }

  invoke(entry: HookEntry): Promise<void> {
    if (!entry.active || this.dropped || this.#item.handled?.includes(entry)) return NOTHING;
    if (this.#abandonedFor !== undefined) {
      this.cutShort = true;
      return NOTHING;
    }
    const delivery = new HandlerDelivery(this.#item, this.#number, entry, this.#outbox);
    this.#current = delivery;
    try {
      const outcome = entry.handler(delivery as never);
      // `Promise.resolve` answers a promise as it is, and contains a thenable whose `then` throws.
      if (isThenable(outcome)) return this.#settle(entry, delivery, Promise.resolve(outcome));
      this.#succeeded(entry, delivery);
    } catch (error) {
      this.#failed(entry, delivery, error);
    }
    return NOTHING;
  }

  /** Gives the attempt up: the running handler's signal aborts and nobody waits for it any more. */
  abandon(reason: unknown): void {
    this.#abandonedFor = reason;
    this.#current?.end(reason);
    this.#release?.();
  }

  /** Waits for a handler until it settles, its deadline passes, or the attempt is abandoned; a late outcome goes nowhere. */
  #settle(entry: HookEntry, delivery: HandlerDelivery, outcome: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      let settled = false;
      const settle = (note: () => void): void => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        this.#release = undefined;
        note();
        resolve();
      };
      const ms = entry.timeoutMs ?? this.#timeoutMs;
      const timer = setTimeout(
        () => settle(() => this.#failed(entry, delivery, handlerTimeout(entry, ms))),
        ms,
      );
      this.#release = () =>
        settle(() => {
          this.cutShort = true;
        });
      outcome.then(
        () => settle(() => this.#succeeded(entry, delivery)),
        (error) => settle(() => this.#failed(entry, delivery, error)),
      );
    });
  }

  #succeeded(entry: HookEntry, delivery: HandlerDelivery): void {
    this.#item.handled ??= [];
    this.#item.handled.push(entry);
    if (delivery.droppedBecause !== undefined)
      this.dropped = { plugin: entry.plugin, reason: delivery.droppedBecause };
  }

  #failed(entry: HookEntry, delivery: HandlerDelivery, error: unknown): void {
    delivery.end(error);
    entry.failed?.();
    this.#failures ??= [];
    this.#failures.push({ plugin: entry.plugin, error });
  }
}

function handlerTimeout(entry: HookEntry, ms: number): KernelError {
  return new KernelError(
    'E_HANDLER_TIMEOUT',
    `${entry.plugin}: the message handler did not settle within ${ms} ms`,
    {
      plugin: entry.plugin,
      phase: 'message',
      hint: 'Make it watch delivery.signal, or give it more time with timeoutMs.',
    },
  );
}
