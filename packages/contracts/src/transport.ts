import type { Agent } from './agent.ts';
import type { ConduitMessage } from './message.ts';

/** As whom a transport connects, and where to. What a transport does not know, it ignores. */
export interface TransportConnectConfig {
  agentId: string;
  /** The key at the time of connecting. A transport that outlives a rotation reads {@link agent} per request instead. */
  apiKey: string;
  apiBaseUrl: string;
  /** The live credential; present under the kernel. */
  agent?: Agent;
  pollIntervalMs?: number;
  sseEndpoint?: string;
  wsUrl?: string;
  pollEndpoint?: string;
}

/** What every request takes. */
export interface RequestOptions {
  /** Ends the wait; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Where and how a message is sent, beside whom it is for. */
export interface PushOptions extends RequestOptions {
  /** Send into this conversation; `to` is ignored for a group. */
  conversationId?: string;
  /** The id of the message this answers. */
  replyTo?: string;
  /** The same key from the same agent within 24 hours answers the first message instead of storing a second. */
  idempotencyKey?: string;
  metadata?: Record<string, unknown>;
}

/** What part of the unread messages a poll asks for. */
export interface PollOptions extends RequestOptions {
  /**
   * At most this many messages. A shorter page is the last one, unless it holds 1 MiB of content or more: a backend may
   * end a page of large messages early. Default 50, at most 200.
   */
  limit?: number;
  /** A message id: only what came after it. For transports of the earlier runtime; prefer `afterSeq`. */
  since?: string;
  /** Only messages whose `seq` is greater. Exclusive, exact, ascending. */
  afterSeq?: number;
}

/** A part of one or several conversations. */
export interface ConversationPage {
  /** Ascending by `seq`. One entry per group message, whichever copy the backend shows. */
  messages: ConduitMessage[];
  /** Give it as `afterSeq` to go on. Equal to the one given when nothing is new. */
  cursor: number;
  /** More is waiting behind `cursor`. */
  more: boolean;
}

/** What part of the conversations is asked for. */
export interface FetchConversationOptions extends RequestOptions {
  /** Only messages whose `seq` is greater. Without it: the newest `limit` messages, still ascending. */
  afterSeq?: number;
  /** At most this many. Default 50, at most 200. */
  limit?: number;
}

/** What an agent says of itself: it hears, it has stopped, or it runs and does not hear. */
export type PresenceStatus = 'online' | 'offline' | 'busy';

/** What a heartbeat or a change of status says. */
export interface PresenceReport {
  status: PresenceStatus;
  /** Why it is not plainly online. */
  reason?: string;
  /** Fences presence: a late `offline` of an earlier process cannot override its successor. */
  instanceId?: string;
}

/** How others see an agent. `stale`: it said that it is there, and has not said so again for too long. */
export interface AgentPresence {
  agentId: string;
  online: boolean;
  status: PresenceStatus | 'stale';
  /** RFC 3339; absent when never seen. */
  lastSeen?: string;
}

/**
 * How messages reach and leave an agent. The required members are those of the earlier runtime, so a transport written for it
 * still works; the optional ones are capabilities, and a service whose transport lacks one stands down and says so.
 *
 * Errors are `CleoError`s; `retryable` and `retryAfterMs` tell a caller what to do. An HTTP error is never an empty list.
 */
export interface Transport {
  readonly name: string;
  connect(config: TransportConnectConfig): Promise<void>;
  /** Releases everything; safe to call twice. */
  disconnect(): Promise<void>;
  /** Resolves once the backend has stored the message durably. */
  push(
    to: string,
    content: string,
    options?: PushOptions,
  ): Promise<{ messageId: string; conversationId?: string }>;
  /** Unread messages addressed to this agent, oldest first. Changes nothing. */
  poll(options?: PollOptions): Promise<ConduitMessage[]>;
  /** Marks messages as read. Ids not addressed to this agent are ignored; twice is once. */
  ack(messageIds: string[], options?: RequestOptions): Promise<void>;
  /** Native push: runs `handler` for each new message addressed to this agent. Returns the unsubscribe function. */
  subscribe?(handler: (message: ConduitMessage) => void): () => void;
  /** New messages of the given conversations in one ascending page. */
  fetchConversation?(
    conversationIds: readonly string[],
    options?: FetchConversationOptions,
  ): Promise<ConversationPage>;
  /** Tells the backend that the agent is there, and how it is. */
  heartbeat?(report: PresenceReport, options?: RequestOptions): Promise<void>;
  /** Tells the backend how the agent is, such as `offline` at its end. */
  setStatus?(report: PresenceReport, options?: RequestOptions): Promise<void>;
  /** How others see an agent now. */
  isOnline?(agentId: string, options?: RequestOptions): Promise<AgentPresence>;
  /**
   * Asks the backend for a new key. The old one keeps working for `overlapSeconds` where the backend can; with
   * `keepUntilUsed` that time begins no earlier than the first use of the new key, so that a lost answer locks nobody out.
   */
  rotateKey?(
    options?: RequestOptions & { overlapSeconds?: number; idempotencyKey?: string; keepUntilUsed?: boolean },
  ): Promise<{
    apiKey: string;
    previousKeyExpiresAt?: string;
    /** RFC 3339, by the backend's clock. */
    issuedAt?: string;
  }>;
  /** Makes a cheap request with this key in place of the current one. Rejects with `E_AUTH_…` when it is refused. */
  verifyKey?(apiKey: string, options?: RequestOptions): Promise<void>;
  /**
   * Asked before somebody else, such as a stream, connects to the backend: 0, and that counts as one of the tries of a transport
   * that tries rarely because its requests failed; else milliseconds after which to ask again. Must not throw.
   */
  knock?(): number;
  /**
   * The backend was just heard on somebody else's connection: what is held back because requests failed may be tried now. Must
   * not throw.
   */
  heard?(): void;
  /** Epoch milliseconds by the backend's clock, as far as its answers tell; `undefined` before the first. */
  serverTime?(): number | undefined;
}
