import {
  MAX_CONTENT_BYTES,
  type NewMessage,
  newMessageSchema,
  WireError,
  type WireMessage,
} from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import type { Context } from './context.ts';
import { findFor, open, pairOf } from './conversations.ts';
import { agentNotFound, constraint } from './errors.ts';
import { newId, timeOf } from './ids.ts';
import { metadataOf } from './metadata.ts';
import { valid, validAgentId, validExtras, validIdempotencyKey } from './validate.ts';

/** A repeated send answers the first message for this long. */
export const IDEMPOTENCY_MS = 86_400_000;

/** How a message is sent. */
export interface SendOptions {
  /** The same key from the same agent within 24 hours answers the first message; at most 255 characters. */
  idempotencyKey?: string;
}

/** Sends messages, each at most 1 MiB of UTF-8, and shows one. */
export interface Messages {
  /**
   * Sends to one agent, in their private conversation, which is opened when there is none. Resolves once the message is
   * on disk.
   */
  send(agentId: string, toAgentId: string, message: NewMessage, options?: SendOptions): Promise<WireMessage>;
  /**
   * Sends to everyone else in the conversation, one copy each; the copies in a group share a `groupId`, and the first is
   * answered.
   */
  sendToConversation(
    agentId: string,
    conversationId: string,
    message: NewMessage,
    options?: SendOptions,
  ): Promise<WireMessage>;
  /** A message that `agentId` sent or got. */
  getMessage(agentId: string, messageId: string): Promise<WireMessage>;
}

export interface MessageRow {
  seq: number;
  id: string;
  to_agent: string;
  delivered_at: number | null;
  read_at: number | null;
  conversation: string;
  from_agent: string;
  content: string | Uint8Array;
  content_type: string;
  attachments: string | null;
  metadata: string | null;
  reply_to: string | null;
  group_id: string | null;
  created_at: number;
}

/** The columns of a {@link MessageRow}: `m` is its message, `p` the post. */
export const COLUMNS = `m.seq, m.id, m.to_agent, m.delivered_at, m.read_at, p.conversation, p.from_agent, p.content,
  p.content_type, p.attachments, p.metadata, p.reply_to, p.group_id, p.created_at`;

/** {@link COLUMNS} with what {@link beginningOf} needs of the content. */
export const COMPACT_COLUMNS = COLUMNS.replace('p.content,', 'substr(p.content, 1, 800) AS content,');

/** The post `p` mentions the agent `$mentioned`, given in lower case, or everyone. */
export const MENTIONED = `EXISTS
  (SELECT 1 FROM json_each(p.metadata, '$.mentions') WHERE value IN ($mentioned, 'all'))`;

const BEGINNING_CHARACTERS = 200;

type Post = Omit<MessageRow, 'seq' | 'id' | 'to_agent' | 'delivered_at' | 'read_at'>;
type Draft = Omit<Post, 'conversation' | 'group_id'>;

// The next number is read rather than made, so that the post can carry the number of its first copy.
const INSERT_POST = `
  INSERT INTO posts (seq, conversation, from_agent, content, content_type, attachments, metadata, reply_to, group_id,
    copies, created_at)
  VALUES ((SELECT seq + 1 FROM sqlite_sequence WHERE name = 'messages'), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const INSERT_MESSAGE = 'INSERT INTO messages (seq, id, post, to_agent) VALUES (?, ?, ?, ?)';
const COUNT_IN_CONVERSATION =
  'UPDATE conversations SET message_count = message_count + 1, last_message_at = :at, updated_at = :at WHERE id = :id';
const COUNT_SENT = 'UPDATE agents SET messages_sent = messages_sent + 1 WHERE agent_id = ?';
const COUNT_RECEIVED = 'UPDATE agents SET messages_received = messages_received + 1 WHERE agent_id = ?';
const FIND_SENT = `
  SELECT ${COLUMNS} FROM sends s JOIN agents a ON a.agent_id = s.agent
  JOIN messages m ON m.seq = s.seq JOIN posts p ON p.seq = m.post
  WHERE s.agent = ? AND s.key = ? AND s.created_at > ? AND s.seq > a.first_seq`;
const REMEMBER_SENT = `
  INSERT OR REPLACE INTO sends (agent, key, seq, created_at) VALUES (?, ?, ?, ?)`;
const FIND_MESSAGE = `
  SELECT ${COLUMNS} FROM messages m JOIN posts p ON p.seq = m.post JOIN agents a ON a.agent_id = :agent
  WHERE m.id = :id AND :agent IN (p.from_agent, m.to_agent) AND m.seq > a.first_seq`;

export function messages({ db, now, sent }: Context): Messages {
  /** Stores what `address` says, unless the key says that it is stored already. */
  const store = async (draft: Draft, options: SendOptions, address: () => Address) => {
    const key = validIdempotencyKey(options.idempotencyKey);
    const row = await db.write(() => {
      const first = key && db.sql(FIND_SENT).get(draft.from_agent, key, draft.created_at - IDEMPOTENCY_MS);
      if (first) return first as unknown as MessageRow;
      const { conversation, recipients, group } = address();
      const post = { ...draft, conversation, group_id: group ? newId(draft.created_at) : null };
      const message = insert(db, post, recipients);
      if (key) db.sql(REMEMBER_SENT).run(draft.from_agent, key, message.seq, draft.created_at);
      return message;
    });
    sent();
    return wireMessage(row);
  };

  return {
    async send(agentId, toAgentId, message, options = {}) {
      const draft = draftOf(agentId, message, now());
      validAgentId(toAgentId, 'toAgentId');
      if (toAgentId === agentId) throw constraint('toAgentId: an agent cannot message itself');
      const pair = pairOf(agentId, toAgentId);
      return store(draft, options, () => {
        const row = db.sql('SELECT id FROM conversations WHERE pair = ?').get(pair);
        const conversation =
          (row?.id as string | undefined) ?? open(db, [agentId, toAgentId], draft.created_at, pair);
        return { conversation, recipients: [toAgentId], group: false };
      });
    },

    async sendToConversation(agentId, conversationId, message, options = {}) {
      const draft = draftOf(agentId, message, now());
      return store(draft, options, () => {
        const { id, pair, participants } = findFor(db, agentId, conversationId);
        const recipients = (JSON.parse(participants) as string[]).filter((member) => member !== agentId);
        if (recipients.length === 0)
          throw constraint(`conversation ${conversationId} has nobody else in it any more`);
        return { conversation: id, recipients, group: pair === null };
      });
    },

    async getMessage(agentId, messageId) {
      const row = db.sql(FIND_MESSAGE).get({ agent: agentId, id: messageId });
      if (!row)
        throw new WireError('E_NOT_FOUND_MESSAGE', `Message not found: ${messageId}`, {
          details: { messageId },
        });
      return wireMessage(row as unknown as MessageRow);
    },
  };
}

interface Address {
  conversation: string;
  recipients: string[];
  group: boolean;
}

export function wireMessage(row: MessageRow): WireMessage {
  return {
    id: row.id,
    conversationId: row.conversation,
    fromAgentId: row.from_agent,
    toAgentId: row.to_agent,
    content: typeof row.content === 'string' ? row.content : Buffer.from(row.content).toString(),
    contentType: row.content_type as WireMessage['contentType'],
    status: row.read_at !== null ? 'read' : row.delivered_at !== null ? 'delivered' : 'pending',
    createdAt: timeOf(row.created_at),
    ...(row.delivered_at !== null && { deliveredAt: timeOf(row.delivered_at) }),
    ...(row.read_at !== null && { readAt: timeOf(row.read_at) }),
    ...(row.attachments !== null && { attachments: JSON.parse(row.attachments) }),
    ...(row.group_id !== null && { groupId: row.group_id }),
    ...(row.reply_to !== null && { replyTo: row.reply_to }),
    ...(row.metadata !== null && { metadata: JSON.parse(row.metadata) }),
    seq: row.seq,
  };
}

/** At most 200 characters, no half one at the end. */
export function beginningOf(content: string): string {
  return content.slice(0, BEGINNING_CHARACTERS).replace(/[\uD800-\uDBFF]$/, '');
}

/** Stores a post and its copies, inside a write; answers the first copy. */
function insert(db: Database, post: Post, recipients: readonly string[]): MessageRow {
  const {
    conversation,
    from_agent,
    content,
    content_type,
    attachments,
    metadata,
    reply_to,
    group_id,
    created_at,
  } = post;
  if (db.sql(COUNT_SENT).run(from_agent).changes === 0) throw agentNotFound(from_agent);
  for (const recipient of recipients)
    if (db.sql(COUNT_RECEIVED).run(recipient).changes === 0) throw agentNotFound(recipient);
  db.sql(COUNT_IN_CONVERSATION).run({ at: created_at, id: conversation });
  const copies = recipients.length;
  const first = Number(
    db
      .sql(INSERT_POST)
      .run(
        conversation,
        from_agent,
        content,
        content_type,
        attachments,
        metadata,
        reply_to,
        group_id,
        copies,
        created_at,
      ).lastInsertRowid,
  );
  const ids = recipients.map(() => newId(created_at));
  for (const [index, recipient] of recipients.entries())
    db.sql(INSERT_MESSAGE).run(first + index, ids[index]!, first, recipient);
  return { ...post, seq: first, id: ids[0]!, to_agent: recipients[0]!, delivered_at: null, read_at: null };
}

function draftOf(agentId: string, input: NewMessage, now: number): Draft {
  validAgentId(agentId);
  const message = valid(newMessageSchema, input);
  // Half a surrogate pair has no UTF-8: what is answered now should be what is read later.
  const content = message.content.toWellFormed();
  checkContent(content);
  const metadata = metadataOf(content, message.metadata);
  return {
    from_agent: agentId,
    content: content.includes('\0') ? Buffer.from(content) : content,
    content_type: message.contentType,
    attachments: message.attachments?.length ? validExtras('attachments', message.attachments) : null,
    metadata: metadata ? validExtras('metadata', metadata) : null,
    reply_to: message.replyTo ?? null,
    created_at: now,
  };
}

function checkContent(content: string): void {
  // No character takes more than three bytes for each UTF-16 unit: a short text needs no counting.
  if (content.length * 3 <= MAX_CONTENT_BYTES) return;
  const bytes = Buffer.byteLength(content);
  if (bytes > MAX_CONTENT_BYTES)
    throw constraint(
      `content: ${bytes} bytes of UTF-8 are too many, at most ${MAX_CONTENT_BYTES}`,
      'Send it in parts, or send a link to it.',
    );
}
