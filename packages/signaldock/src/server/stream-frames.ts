import type { WireMessage } from '@cleocode/contracts';

/** Why a stream asks its client to peek. */
export type ResyncReason =
  /** `Last-Event-ID` names no message the agent can see, so what came after it is not known. */
  | 'unknown_id'
  /** More was missed than a stream replays. */
  | 'replay_limit'
  /** The storage failed for a while. */
  | 'storage_failed';

/** The first frame of a stream. It has no id, so that a client keeps the one it came with. */
export function connectedFrame(agentId: string): string {
  return frame('connected', { agentId });
}

/** How long the client should wait before it connects again, in milliseconds. */
export function retryFrame(ms: number): string {
  return `retry: ${Math.round(ms)}\n\n`;
}

export function heartbeatFrame(now: number): Buffer {
  return Buffer.from(frame('heartbeat', { timestamp: new Date(now).toISOString() }));
}

export function resyncFrame(reason: ResyncReason): string {
  return frame('resync', { reason });
}

const messageFrames = new WeakMap<WireMessage, Buffer>();

/** Built once for each message object, so that the streams of one agent share the bytes. */
export function messageFrame(message: WireMessage): Buffer {
  const built = messageFrames.get(message) ?? Buffer.from(frame('message', payload(message), message.id));
  messageFrames.set(message, built);
  return built;
}

/** JSON holds no line break of its own, so that one `data:` line is always enough. */
function frame(event: string, data: object, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Every spelling on record: clients read different ones. */
function payload(message: WireMessage): object {
  const { id, fromAgentId, toAgentId, conversationId, content, contentType, createdAt } = message;
  return {
    id,
    messageId: id,
    message_id: id,
    from: fromAgentId,
    fromAgentId,
    from_agent_id: fromAgentId,
    toAgentId,
    conversationId,
    conversation_id: conversationId,
    threadId: conversationId,
    content,
    contentType,
    createdAt,
    created_at: createdAt,
    timestamp: createdAt,
    replyTo: message.replyTo,
    metadata: message.metadata,
    attachments: message.attachments,
    groupId: message.groupId,
    seq: message.seq,
  };
}
