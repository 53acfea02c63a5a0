import { randomUUID } from 'node:crypto';
import { CleoError, type ConduitMessage, MAX_CONTENT_BYTES } from '@cleocode/contracts';

/**
 * Stands where your backend is to be, in the memory of this process, so that the tests pass from the beginning. Put the client
 * of yours in its place; what it promises here is what the tests ask of it.
 */
export class Backend {
  /** Their keys, and whose they are. */
  readonly #agents = new Map<string, string>();
  readonly #conversations = new Map<string, Conversation>();
  readonly #messages: Stored[] = [];
  /** What was sent with an idempotency key. Yours may forget it after 24 hours. */
  readonly #sent = new Map<string, Promise<Sent>>();

  /** Answers the key of the agent. */
  async register(agentId: string): Promise<string> {
    const key = `sk_test_${randomUUID().replaceAll('-', '')}`;
    this.#agents.set(key, agentId);
    return key;
  }

  async openGroup(members: readonly string[]): Promise<string> {
    const id = randomUUID();
    this.#conversations.set(id, { id, members: new Set(members), group: true });
    return id;
  }

  /** Resolves when the message is stored; with a known idempotency key it is the first one's answer. */
  async send(key: string, letter: Letter): Promise<Sent> {
    const from = this.#whose(key);
    if (letter.idempotencyKey === undefined) return this.#store(from, letter);
    const name = JSON.stringify([from, letter.idempotencyKey]);
    const sent = this.#sent.get(name) ?? this.#store(from, letter);
    this.#sent.set(name, sent);
    return sent;
  }

  /** Oldest first. Changes nothing. */
  async unread(key: string, { limit = 50, afterSeq = 0, since }: Page): Promise<ConduitMessage[]> {
    const to = this.#whose(key);
    const from = Math.max(afterSeq, this.#messages.find(({ message }) => message.id === since)?.seq ?? 0);
    return this.#messages
      .filter((one) => one.to === to && !one.read && one.seq > from)
      .slice(0, Math.min(limit, 200))
      .map(({ message }) => structuredClone(message));
  }

  /** Ids of others are nobody's business, and unknown ones are no fault. */
  async markRead(key: string, ids: readonly string[]): Promise<void> {
    const to = this.#whose(key);
    const wanted = new Set(ids);
    for (const one of this.#messages) if (one.to === to && wanted.has(one.message.id)) one.read = true;
  }

  async #store(from: string, { to, content, conversationId, replyTo, metadata }: Letter): Promise<Sent> {
    if (Buffer.byteLength(content) > MAX_CONTENT_BYTES)
      throw new CleoError('E_VALIDATION_CONSTRAINT', `a message has at most ${MAX_CONTENT_BYTES} bytes`);
    const conversation =
      conversationId === undefined ? this.#between(from, to) : this.#conversationOf(from, conversationId);
    const groupId = conversation.group ? randomUUID() : undefined;
    const ids = [...conversation.members]
      .filter((member) => member !== from)
      .map((member) => {
        const seq = this.#messages.length + 1;
        const message: ConduitMessage = {
          id: randomUUID(),
          seq,
          from,
          // What UTF-8 cannot hold.
          content: content.toWellFormed(),
          timestamp: new Date().toISOString(),
          threadId: conversation.id,
          ...(groupId !== undefined && { groupId }),
          ...(replyTo !== undefined && { replyTo }),
          ...(metadata !== undefined && { metadata: structuredClone(metadata) }),
        };
        this.#messages.push({ to: member, seq, message, read: false });
        return message.id;
      });
    return { messageId: ids[0] ?? randomUUID(), conversationId: conversation.id };
  }

  /** The one conversation of two agents. */
  #between(from: string, to: string): Conversation {
    if (![...this.#agents.values()].includes(to))
      throw new CleoError('E_NOT_FOUND_AGENT', `there is no agent "${to}"`);
    const id = JSON.stringify([from, to].toSorted());
    const conversation = this.#conversations.get(id) ?? { id, members: new Set([from, to]), group: false };
    this.#conversations.set(id, conversation);
    return conversation;
  }

  #conversationOf(agentId: string, id: string): Conversation {
    const conversation = this.#conversations.get(id);
    if (!conversation) throw new CleoError('E_NOT_FOUND_CONVERSATION', `there is no conversation "${id}"`);
    if (!conversation.members.has(agentId))
      throw new CleoError('E_AUTH_FORBIDDEN', `${agentId} is not in the conversation "${id}"`);
    return conversation;
  }

  #whose(key: string): string {
    const agentId = this.#agents.get(key);
    if (agentId === undefined) throw new CleoError('E_AUTH_UNAUTHORIZED', 'nobody has this key');
    return agentId;
  }
}

const backends = new Map<string, Backend>();

/** The backend at an address: one for each. */
export function backendAt(url: string): Backend {
  const backend = backends.get(url) ?? new Backend();
  backends.set(url, backend);
  return backend;
}

export interface Letter {
  to: string;
  content: string;
  conversationId?: string;
  replyTo?: string;
  idempotencyKey?: string;
  metadata?: Record<string, unknown>;
}

export interface Page {
  limit?: number;
  afterSeq?: number;
  since?: string;
}

export interface Sent {
  messageId: string;
  conversationId: string;
}

interface Conversation {
  id: string;
  members: Set<string>;
  /** Each message has a copy for everyone else. */
  group: boolean;
}

interface Stored {
  to: string;
  seq: number;
  message: ConduitMessage;
  read: boolean;
}
