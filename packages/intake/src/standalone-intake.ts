import {
  asTransportError,
  type CleoError,
  type ConduitMessage,
  type Inbox,
  type Transport,
} from '@cleocode/contracts';
import { AckQueue } from './ack-queue.ts';
import { checkOptions } from './check-options.ts';
import { Condition, type IntakeReporter } from './condition.ts';
import { ackRefused, listenerThrew, unusable } from './errors.ts';
import { HandlerInbox, type MessageHandler } from './handler-inbox.ts';
import { SeenKeys } from './seen-keys.ts';

/** What a source of messages without a kernel needs. */
export interface StandaloneOptions {
  /** Who this is, in errors and on stderr. */
  name: string;
  agentId: string;
  /** Connected already; it acks, and is neither connected nor disconnected here. */
  transport: Pick<Transport, 'name' | 'ack'>;
  /** The deadline of each ack, in milliseconds. Default 10,000. */
  timeoutMs?: number;
  /** A handler's deadline, in milliseconds. Default 300,000. */
  handlerTimeoutMs?: number;
  /** How often a message is tried before it is given up. Default 5. */
  maxAttempts?: number;
  /** The wait before the second attempt, in milliseconds; doubles up to a minute. Default 1,000. */
  retryDelayMs?: number;
  /** Which group messages reach the handlers; the others are acked. Default `all`. */
  groupMessages?: 'all' | 'mentions';
  /** Hears of each failed handler, and once of each trouble with the backend. Default: a line on stderr. */
  onError?: ((error: CleoError) => void) | undefined;
}

/** What a source works with, from one start to the next stop. */
export interface SourceParts {
  /** Where the messages go. */
  inbox: Inbox;
  /** Tells `onError` what begins to fail. */
  reporter: IntakeReporter;
}

/** Brings messages to the inbox that it was made with. */
export interface Source {
  /** Works until `signal` aborts, then settles. It tells its troubles itself; what it rejects with is its end, and is told. */
  run(signal: AbortSignal): Promise<void>;
}

/** How such a source does. */
export interface StandaloneStatus {
  running: boolean;
  /** Messages that are being handled, or wait for their conversation or their next attempt. */
  pending: number;
  /** Messages that reached their end since this was made, each counted once. */
  finished: number;
}

/** How long a stop waits for handlers at work, and then for the last acks. */
const DRAIN_MS = 5_000;
const LAST_ACKS_MS = 2_000;

interface Run<S> {
  readonly abort: AbortController;
  readonly source: S;
  readonly inbox: HandlerInbox;
  readonly acks: AckQueue;
  readonly ended: Promise<void>;
}

/**
 * Gives what a source brings to handlers, without the kernel. A message is acked after all handlers succeeded, so a crash
 * repeats it and never loses it. What is known of a message lives in memory: the kernel and its store make it durable.
 */
export class StandaloneIntake<S extends Source = Source> {
  readonly #options: Required<Omit<StandaloneOptions, 'onError'>>;
  readonly #onError: (error: CleoError) => void;
  readonly #newSource: (parts: SourceParts) => S;
  readonly #handlers = new Set<MessageHandler>();
  /** Outlives a stop, so that a message whose ack was lost is not handled again. */
  readonly #seen = new SeenKeys();
  #finished = 0;
  #run: Run<S> | undefined;
  #stopping: Promise<void> | undefined;

  /** `newSource` is called at each start. Throws `E_INTAKE_OPTIONS`. */
  constructor(options: StandaloneOptions, newSource: (parts: SourceParts) => S) {
    const { name, agentId, transport, onError = toStderr } = options;
    checkOptions(options, ['timeoutMs', 'handlerTimeoutMs', 'maxAttempts', 'retryDelayMs'], (what, hint) =>
      unusable(name, what, hint),
    );
    this.#onError = onError;
    this.#newSource = newSource;
    this.#options = {
      name,
      agentId,
      transport,
      timeoutMs: options.timeoutMs ?? 10_000,
      handlerTimeoutMs: options.handlerTimeoutMs ?? 300_000,
      maxAttempts: options.maxAttempts ?? 5,
      retryDelayMs: options.retryDelayMs ?? 1_000,
      groupMessages: options.groupMessages ?? 'all',
    };
  }

  /** Somebody handles messages. Until then they stay unread. */
  get handles(): boolean {
    return this.#handlers.size > 0;
  }

  /** The source at work; `undefined` while stopped. */
  get source(): S | undefined {
    return this.#run?.source;
  }

  /** The stop under way, if there is one. */
  get stopping(): Promise<void> | undefined {
    return this.#stopping;
  }

  /** Adds a handler; several may be added, at any time. Returns the function that takes it away. */
  onMessage(handler: MessageHandler): () => void {
    // Its own identity, so that one function added twice is called twice.
    const own: MessageHandler = (message: ConduitMessage, context) => handler(message, context);
    this.#handlers.add(own);
    this.#run?.inbox.handlersChanged();
    return () => {
      this.#handlers.delete(own);
    };
  }

  /** Begins at once, or after a stop that is under way: it resolves when it has. Does nothing while it runs. */
  async start(): Promise<void> {
    if (this.#stopping) await this.#stopping;
    this.#run ??= this.#begin();
  }

  /**
   * Ends the source, waits up to 5 s for handlers at work and up to 2 s for the last acks, and resolves when nothing runs any
   * more. What was not finished comes back at the next start. Not to be awaited inside a handler.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#end().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  status(): StandaloneStatus {
    const { inFlight = 0, queued = 0 } = this.#run?.inbox.stats() ?? {};
    return {
      running: this.#run !== undefined && this.#stopping === undefined,
      pending: inFlight + queued,
      finished: this.#finished,
    };
  }

  /** Tells `onError`; what that throws goes to stderr. */
  report(error: CleoError): void {
    try {
      this.#onError(error);
    } catch (thrown) {
      toStderr(listenerThrew(this.#options.name, 'onError', thrown));
      toStderr(error);
    }
  }

  #begin(): Run<S> {
    const { name, transport, timeoutMs } = this.#options;
    const reporter: IntakeReporter = {
      failing: (part, error) => this.report(asTransportError(error, part)),
      recovered: () => {},
    };
    const acks = new AckQueue({
      transport,
      timeoutMs,
      condition: new Condition('ack', reporter),
      onRefused: (id, error) => this.report(ackRefused(id, error)),
    });
    const inbox = new HandlerInbox({
      ...this.#options,
      handlers: this.#handlers,
      seen: this.#seen,
      acks,
      onError: (error) => this.report(error),
      onObserverError: (thrown) => this.report(listenerThrew(name, 'an observer of the inbox', thrown)),
    });
    inbox.observe(({ type }) => {
      if (type === 'done' || type === 'dead') this.#finished += 1;
    });
    const abort = new AbortController();
    const source = this.#newSource({ inbox, reporter });
    const ended = source.run(abort.signal).catch((error) => {
      if (!abort.signal.aborted) this.report(asTransportError(error, `${name} ended`));
    });
    return { abort, source, inbox, acks, ended };
  }

  async #end(): Promise<void> {
    const run = this.#run;
    if (!run) return;
    run.abort.abort(new Error(`${this.#options.name} is stopping`));
    await Promise.all([run.ended, run.inbox.close(DRAIN_MS)]);
    await run.acks.close(LAST_ACKS_MS);
    this.#run = undefined;
  }
}

function toStderr({ code, message, hint }: CleoError): void {
  console.error(hint ? `${code}: ${message} (${hint})` : `${code}: ${message}`);
}
