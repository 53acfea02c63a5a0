import type { MaybePromise } from './journal.ts';
import type { ConduitMessage } from './message.ts';

/** A conversation whose messages are kept back, because agents answered each other there without end. */
export interface AsideConversation {
  conversation: string;
  /** A message came about by too many answers in a row, or too many answers were given within a minute. */
  cause: 'hops' | 'rate';
  /** The same as a sentence. */
  reason: string;
  /** RFC 3339. */
  since: string;
  /** Somebody let it go on: what was held is being handled, in order. */
  resuming: boolean;
}

/** A message that waits for its conversation to go on. */
export interface HeldMessage {
  key: string;
  message: ConduitMessage;
}

/** Keeps conversations that were set aside, and their messages whole, beyond the end of the process. */
export interface AsideJournal {
  /** Those that are set aside or being resumed, the earliest first. */
  list(): MaybePromise<AsideConversation[]>;
  /**
   * Keeps a message that has begun, at the end of its conversation; the attempt does not count. With `aside` the conversation
   * is set aside unless it is already. Without: `resuming` or `free` when somebody else has let it go on meanwhile; then
   * nothing is kept, and the message is still to be handled.
   */
  hold(
    conversation: string,
    held: HeldMessage,
    aside?: Pick<AsideConversation, 'cause' | 'reason'>,
  ): MaybePromise<'held' | 'resuming' | 'free'>;
  /** Lets a conversation go on. One that is not set aside is nothing. */
  resume(conversation: string): MaybePromise<void>;
  /**
   * The oldest held message, which stays held until it is done or dead. When there is none left, the conversation is no
   * longer set aside.
   */
  next(conversation: string): MaybePromise<HeldMessage | undefined>;
}
