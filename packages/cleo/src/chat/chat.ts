import type { CleoError, ConduitMessage } from '@cleocode/contracts';
import type { Output } from '../output.ts';
import type { Conversation } from './conversation.ts';

export interface ChatOptions {
  /** Who speaks; undefined: you. */
  agent?: string;
  /** How many of the latest messages to show first. */
  history?: number;
  /** Milliseconds to wait for answers after the end of stdin, where that is no terminal. */
  wait?: number;
}

/** What is heard in a conversation. */
export interface Heard {
  /** Shows a reply. Once it has resolved, the reply is acknowledged. */
  onReply(message: ConduitMessage): void | Promise<void>;
  /** Once when replies cannot be looked for, and once without an error when they can again. */
  onTrouble(error: CleoError | undefined): void;
}

/** A conversation to begin, on a terminal or line by line. */
export interface Chat {
  output: Output;
  partner: string;
  speaker: string;
  /** Why no answer is to be expected soon. */
  absence: string | undefined;
  options: ChatOptions;
  open(heard: Heard): Conversation;
}
