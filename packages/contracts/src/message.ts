import { z } from 'zod';

/**
 * A message as every transport hands it over, whatever its wire says.
 *
 * Unknown members are kept: a transport may carry more than the runtime knows.
 */
export const messageSchema = z.looseObject({
  /** Identifies this copy for {@link Transport.ack}. */
  id: z.string().min(1),
  /** Agent id of the sender. */
  from: z.string().min(1),
  content: z.string(),
  /** RFC 3339, for people only: never a cursor, its resolution may be one second. */
  timestamp: z.string(),
  /** The conversation it belongs to; order is kept inside it. */
  threadId: z.string().optional(),
  /** Shared by the copies that one group send makes for its recipients. */
  groupId: z.string().optional(),
  /** Strictly increasing per backend: the only cursor. Absent where the backend has none. */
  seq: z.int().nonnegative().optional(),
  tags: z.array(z.string()).optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  kind: z.string().optional(),
  fromPeerId: z.string().optional(),
  toPeerId: z.string().optional(),
  payload: z.unknown().optional(),
});

/** What {@link messageSchema} reads. */
export type ConduitMessage = z.infer<typeof messageSchema>;

/** What makes two arrivals the same message: a group message has several ids on the wire but one `groupId`. */
export function messageKey(message: Pick<ConduitMessage, 'id' | 'groupId'>): string {
  return message.groupId ?? message.id;
}

/** What a message keeps its order in: its conversation, as far as it says. */
export function conversationOf({
  threadId,
  groupId,
  from,
}: Pick<ConduitMessage, 'threadId' | 'groupId' | 'from'>): string {
  return threadId ?? groupId ?? from;
}

/**
 * Whether `value` has what no message can do without: an id, a sender and text. A transport may be anyone's, so what it hands
 * over is looked at once; the whole schema would cost more and change nothing.
 */
export function isMessage(value: unknown): value is ConduitMessage {
  if (typeof value !== 'object' || value === null) return false;
  const { id, from, content } = value as Record<string, unknown>;
  // An agent without an id is `''`: a message from nobody must not pass for its own.
  return isText(id) && isText(from) && typeof content === 'string';
}

/** The largest message content a SignalDock backend takes, in bytes of UTF-8. */
export const MAX_CONTENT_BYTES = 1024 * 1024;

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
