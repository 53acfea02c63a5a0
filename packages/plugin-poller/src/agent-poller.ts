import { CleoError, errorText, type Journal, type Transport } from '@cleocode/contracts';
import { AckQueue } from './ack-queue.ts';
import { Condition, type IntakeReporter } from './condition.ts';
import { noHandler, troubleWith, unusable } from './errors.ts';
import { HandlerInbox, type MessageHandler } from './handler-inbox.ts';
import { Intake, type IntakeStatus } from './intake.ts';
import { SeenKeys } from './seen-keys.ts';

export interface AgentPollerOptions {
  agentId: string;
  /** Connected already; the poller neither connects nor disconnects it. */
  transport: Transport;
  /** Milliseconds from the end of one cycle to the beginning of the next, give or take a fifth. Default 5000. */
  pollIntervalMs?: number;
  /** The same while the transport's native push is at work. Default 30000. */
  liveIntervalMs?: number;
  /** Conversations to follow for messages that mention the agent. */
  groupConversationIds?: readonly string[];
  /** How many of a group's newest messages count when it is followed for the first time. Default 15. */
  groupPollLimit?: number;
  /** Which group messages addressed to the agent reach the handlers; the others are acked. Default `all`. */
  groupMessages?: 'all' | 'mentions';
  /** The deadline of each request, in milliseconds. Default 10000. */
  timeoutMs?: number;
  /** A handler's deadline, in milliseconds. Default 300000. */
  handlerTimeoutMs?: number;
  /** How often a message is tried before it is given up. Default 5. */
  maxAttempts?: number;
  /** The wait before the second attempt, in milliseconds; doubles up to a minute. Default: the poll interval. */
  retryDelayMs?: number;
  /** Keeps the positions of followed groups. Default: in memory, so that a restart begins with the newest again. */
  cursors?: Pick<Journal, 'getCursor' | 'setCursor'>;
  /** Hears of each failed handler, and once of each trouble with the backend. Default: a line on stderr. */
  onError?: (error: CleoError) => void;
}

export interface AgentPollerStatus extends IntakeStatus {
  running: boolean;
  /** Messages finished since the poller was made, each counted once. */
  seenCount: number;
  /** Messages that are being handled, or wait for their conversation or their next attempt. */
  pending: number;
}

/** How long a stop waits for handlers at work, and then for the last acks. */
const DRAIN_MS = 5_000;
const LAST_ACKS_MS = 2_000;

interface Run {
  readonly abort: AbortController;
  readonly intake: Intake;
  readonly inbox: HandlerInbox;
  readonly acks: AckQueue;
  readonly ended: Promise<void>;
}

/**
 * Polls a backend for an agent's messages and gives each one to every handler, without the kernel.
 *
 * A message is acked after all handlers succeeded, so a crash repeats it and never loses it. What is known of a message
 * lives in memory: use the kernel and its store where a restart must not repeat what is done.
 */
export class AgentPoller {
  readonly #options: Required<AgentPollerOptions>;
  readonly #handlers = new Set<MessageHandler>();
  readonly #seen = new SeenKeys();
  #finished = 0;
  #run: Run | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: AgentPollerOptions) {
    this.#options = withDefaults(options);
  }

  /** Adds a handler; several may be added, at any time. Returns the function that takes it away. */
  onMessage(handler: MessageHandler): () => void {
    // Its own identity, so that one function added twice is called twice.
    const own: MessageHandler = (message, context) => handler(message, context);
    this.#handlers.add(own);
    this.#run?.inbox.handlersChanged();
    return () => {
      this.#handlers.delete(own);
    };
  }

  /** Begins to poll, at once. Does nothing while it runs. Without a handler the messages stay unread, and it says so. */
  start(): void {
    if (this.#stopping)
      throw new CleoError('E_POLLER_STATE', 'AgentPoller: start() was called while stop() is under way', {
        hint: 'Await stop() first.',
      });
    if (this.#run) return;
    this.#run = this.#begin();
    setImmediate(() => {
      if (this.#run && this.#handlers.size === 0) this.#report(noHandler());
    });
  }

  /**
   * Ends the request in flight, waits up to 5 s for handlers at work, sends the last acks, and resolves when nothing runs
   * any more. What was not finished comes back at the next start. Not to be awaited inside a handler.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#end().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  status(): AgentPollerStatus {
    const { inFlight = 0, queued = 0 } = this.#run?.inbox.stats() ?? {};
    return {
      failures: 0,
      pushLive: false,
      ...this.#run?.intake.status(),
      running: this.#run !== undefined && this.#stopping === undefined,
      seenCount: this.#finished,
      pending: inFlight + queued,
    };
  }

  #begin(): Run {
    const { transport, timeoutMs, pollIntervalMs, groupConversationIds } = this.#options;
    const reporter: IntakeReporter = {
      failing: (part, error) => this.#report(troubleWith(part, error)),
      recovered: () => {},
    };
    const acks = new AckQueue(transport, timeoutMs, new Condition('ack', reporter));
    const inbox = new HandlerInbox({
      ...this.#options,
      handlers: this.#handlers,
      seen: this.#seen,
      acks,
      onError: (error) => this.#report(error),
    });
    inbox.observe(({ type }) => {
      if (type === 'done' || type === 'dead') this.#finished += 1;
    });
    const intake = new Intake({
      ...this.#options,
      inbox,
      reporter,
      intervalMs: pollIntervalMs,
      groups: groupConversationIds,
    });
    const abort = new AbortController();
    const ended = intake
      .run(abort.signal)
      .catch((error) => this.#report(troubleWith('the poller ended', error)));
    return { abort, intake, inbox, acks, ended };
  }

  async #end(): Promise<void> {
    const run = this.#run;
    if (!run) return;
    run.abort.abort(new Error('the poller is stopping'));
    await Promise.all([run.ended, run.inbox.close(DRAIN_MS)]);
    await run.acks.close(LAST_ACKS_MS);
    this.#run = undefined;
  }

  #report(error: CleoError): void {
    try {
      this.#options.onError(error);
    } catch (thrown) {
      toStderr(new CleoError('E_POLLER_STATE', `AgentPoller: onError threw: ${errorText(thrown)}`));
      toStderr(error);
    }
  }
}

const NUMBERS = [
  'pollIntervalMs',
  'liveIntervalMs',
  'groupPollLimit',
  'timeoutMs',
  'handlerTimeoutMs',
  'maxAttempts',
  'retryDelayMs',
] as const;
/** The longest a timer can wait; what is longer would fire at once. */
const MAX_TIMER_MS = 2_147_483_647;

function withDefaults(options: AgentPollerOptions): Required<AgentPollerOptions> {
  const { agentId, transport, pollIntervalMs = 5_000 } = options;
  if (!agentId) throw unusable('agentId is missing', 'Give the id of the agent whose messages to poll.');
  if (typeof transport?.poll !== 'function')
    throw unusable('transport is missing', 'Give a connected transport, such as HttpTransport.');
  for (const name of NUMBERS) {
    const value = options[name];
    if (value === undefined || (value > 0 && value <= MAX_TIMER_MS)) continue;
    throw unusable(`${name} is ${value}`, `Give a number above 0, at most ${MAX_TIMER_MS}, or leave it out.`);
  }
  return {
    agentId,
    transport,
    pollIntervalMs,
    liveIntervalMs: options.liveIntervalMs ?? 30_000,
    groupConversationIds: options.groupConversationIds ?? [],
    groupPollLimit: options.groupPollLimit ?? 15,
    groupMessages: options.groupMessages ?? 'all',
    timeoutMs: options.timeoutMs ?? 10_000,
    handlerTimeoutMs: options.handlerTimeoutMs ?? 300_000,
    maxAttempts: options.maxAttempts ?? 5,
    retryDelayMs: options.retryDelayMs ?? pollIntervalMs,
    cursors: options.cursors ?? cursorsInMemory(),
    onError: options.onError ?? toStderr,
  };
}

function cursorsInMemory(): Pick<Journal, 'getCursor' | 'setCursor'> {
  const cursors = new Map<string, number>();
  return {
    getCursor: (name) => cursors.get(name),
    setCursor: (name, value) => {
      cursors.set(name, value);
    },
  };
}

function toStderr({ code, message, hint }: CleoError): void {
  console.error(hint ? `${code}: ${message} (${hint})` : `${code}: ${message}`);
}
