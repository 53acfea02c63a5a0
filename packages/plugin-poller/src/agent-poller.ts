import type { CleoError, Journal, Transport } from '@cleocode/contracts';
import { checkOptions, type MessageHandler, StandaloneIntake } from '@cleocode/intake';
import { noHandler, stopping, unusable } from './errors.ts';
import { Intake, type IntakeStatus } from './intake.ts';

/** Who polls, how often, and what of it. */
export interface AgentPollerOptions {
  agentId: string;
  /** Connected already; the poller neither connects nor disconnects it. */
  transport: Transport;
  /** Milliseconds from the end of one cycle to the beginning of the next, give or take a fifth. Default 5000. */
  pollIntervalMs?: number;
  /** The same while the transport's native push is at work; groups are read in every fifth cycle then. Default 60000. */
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

/** How the poller does, and what it brought. */
export interface AgentPollerStatus extends IntakeStatus {
  running: boolean;
  /** Messages finished since the poller was made, each counted once. */
  seenCount: number;
  /** Messages that are being handled, or wait for their conversation or their next attempt. */
  pending: number;
}

/**
 * Polls a backend for an agent's messages and gives each one to every handler, without the kernel.
 *
 * A message is acked after all handlers succeeded, so a crash repeats it and never loses it. What is known of a message
 * lives in memory: use the kernel and its store where a restart must not repeat what is done.
 */
export class AgentPoller {
  readonly #standalone: StandaloneIntake<Intake>;

  /** Throws `E_POLLER_OPTIONS`. */
  constructor(options: AgentPollerOptions) {
    checkOptions(options, NUMBERS, unusable);
    const { pollIntervalMs = 5_000, liveIntervalMs = 60_000, timeoutMs = 10_000 } = options;
    const { groupConversationIds = [], groupPollLimit = 15, cursors = cursorsInMemory() } = options;
    const { agentId, transport, retryDelayMs = pollIntervalMs } = options;
    this.#standalone = new StandaloneIntake(
      { ...options, name: 'AgentPoller', timeoutMs, retryDelayMs },
      (parts) =>
        new Intake({
          ...parts,
          agentId,
          transport,
          cursors,
          timeoutMs,
          intervalMs: pollIntervalMs,
          liveIntervalMs,
          groups: groupConversationIds,
          groupPollLimit,
        }),
    );
  }

  /** Adds a handler; several may be added, at any time. Returns the function that takes it away. */
  onMessage(handler: MessageHandler): () => void {
    return this.#standalone.onMessage(handler);
  }

  /** Begins to poll, at once. Does nothing while it runs. Without a handler the messages stay unread, and it says so. */
  start(): void {
    if (this.#standalone.stopping) throw stopping();
    if (this.#standalone.source) return;
    void this.#standalone.start();
    setImmediate(() => {
      if (this.#standalone.source && !this.#standalone.handles) this.#standalone.report(noHandler());
    });
  }

  /**
   * Ends the request in flight, waits up to 5 s for handlers at work, sends the last acks, and resolves when nothing runs
   * any more. What was not finished comes back at the next start. Not to be awaited inside a handler.
   */
  stop(): Promise<void> {
    return this.#standalone.stop();
  }

  status(): AgentPollerStatus {
    const { running, pending, finished: seenCount } = this.#standalone.status();
    return {
      failures: 0,
      pushLive: false,
      ...this.#standalone.source?.status(),
      running,
      seenCount,
      pending,
    };
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

function cursorsInMemory(): Pick<Journal, 'getCursor' | 'setCursor'> {
  const cursors = new Map<string, number>();
  return {
    getCursor: (name) => cursors.get(name),
    setCursor: (name, value) => {
      cursors.set(name, value);
    },
  };
}
