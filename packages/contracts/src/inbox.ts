import type { AsideConversation } from './aside.ts';
import type { ConduitMessage } from './message.ts';
import type { Problem } from './problem.ts';

/** Where messages come from, as the inbox needs to know it. */
export interface IntakeSource {
  /** Shown to handlers and in events: `poll`, `push`, `sse`, `group`, `replay`, … */
  readonly name: string;
  /**
   * The ids it brings may be acked at the backend. `false` for a view that may show another recipient's copy, such as a
   * conversation's history.
   */
  readonly ackable: boolean;
  /**
   * Given by a source that pages from a cursor: everything unread up to this `seq` has been taken before, and these
   * messages are all that is unread after it, in ascending order, up to the last of them. 0 for a backend without `seq`,
   * read from its beginning. A page read ahead, past a message that was turned away, does not say it.
   *
   * Only such a page may refill a conversation that had to turn a message away; anything else would get in before it.
   */
  readonly afterSeq?: number;
  /** A person asks for these messages: whatever hops they came with, counting begins anew. */
  readonly anew?: boolean;
}

/** What became of the messages that a source handed in. */
export interface ReceiveResult {
  /** Taken over: the inbox will handle and ack them. */
  accepted: number;
  /** Already in flight here. Nothing more to do. */
  duplicates: number;
  /**
   * Not taken, for want of room. They stay unread at the backend; a scanning source must not move its cursor past the
   * first of them.
   */
  deferred: ConduitMessage[];
}

/** What happens in the inbox, as its observers hear it. */
export type InboxEvent =
  | { type: 'message'; message: ConduitMessage; attempt: number; source: string }
  /** While `message` was handled its handler answered, or sent something, and the backend has it. */
  | { type: 'sent'; message: ConduitMessage; to: string; content: string; messageId: string }
  | { type: 'done'; message: ConduitMessage; attempt: number; durationMs: number }
  | {
      type: 'failed';
      message: ConduitMessage;
      attempt: number;
      plugin: string;
      error: unknown;
      /** Absent when this failure was the last. */
      retryInMs?: number;
    }
  | { type: 'dead'; message: ConduitMessage; attempts: number; error: string }
  | { type: 'dropped'; message: ConduitMessage; plugin: string; reason: string }
  /** Finished before, in an earlier run or as another copy: not handled again, only acked. */
  | { type: 'known'; message: ConduitMessage }
  /** Kept back: its conversation is set aside. It is handled once that goes on. */
  | { type: 'held'; message: ConduitMessage; conversation: string }
  /** A conversation is set aside from now on, because agents answer each other there without end. */
  | { type: 'aside'; conversation: string; cause: AsideConversation['cause']; reason: string; hint: string }
  /** It goes on, what was held first. */
  | { type: 'resumed'; conversation: string }
  /** The inbox cannot work (`storage_full`, `ack_failing`, …) or can again (`resolved`). */
  | ({ type: 'problem'; resolved: boolean } & Problem)
  /** Something was deferred, and there is room again: scan now. */
  | { type: 'room' }
  /** The agent is stopping: nothing more is taken in, what is being handled may still finish. */
  | { type: 'closed' };

/** The inbox in numbers. What came to its end is counted since the kernel was made. */
export interface InboxStats {
  /** Handlers are running. */
  inFlight: number;
  /** Accepted and waiting: for its conversation, for a slot, or for a retry. */
  queued: number;
  done: number;
  /** Failed attempts. */
  failed: number;
  dead: number;
  dropped: number;
  /** Done but not yet acked at the backend. */
  unacked: number;
  problems: (Problem & { sinceMs: number })[];
  /** Conversations that are set aside, and what to do about it; absent while there is none. */
  aside?: Problem & { conversations: number };
  /** Plugins whose handlers have lately kept the whole process from running, and what to do about it; absent while there is none. */
  blocking?: Problem;
}

/**
 * The one way in. Every source hands its messages here; order, deduplication, retry, dead letters and acks are the
 * inbox's, so that they are the same whatever brought the message.
 */
export interface Inbox {
  /**
   * Takes responsibility for messages: each is handled and then acked, or comes back from the backend. Never throws for
   * a bad message and never blocks.
   */
  receive(messages: readonly ConduitMessage[], source: IntakeSource): ReceiveResult;
  /** How many more messages it takes now. */
  readonly room: number;
  /** Resolves when there is room, or rejects with the signal's reason. */
  waitForRoom(signal: AbortSignal): Promise<void>;
  stats(): InboxStats;
  /** Runs for each event, synchronously; a listener that throws is reported and harms nobody. Returns the unsubscribe. */
  observe(listener: (event: InboxEvent) => void): () => void;
  /** The conversations that are set aside or being resumed. Absent where there is no protection against loops. */
  aside?(): AsideConversation[];
  /** Lets a conversation that is set aside go on, what was held first; resolves with whether it was set aside. */
  resume?(conversation: string): Promise<boolean>;
}
