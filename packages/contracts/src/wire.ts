import { z } from 'zod';
import { agentIdSchema } from './agent.ts';
import { CleoError, type CleoErrorOptions } from './errors.ts';
import type { ConduitMessage } from './message.ts';

/** The codes of the SignalDock error envelope, with their HTTP status and category. */
export const WIRE_ERRORS = {
  E_VALIDATION_SCHEMA: { status: 400, category: 'VALIDATION' },
  E_VALIDATION_MISSING_FIELD: { status: 400, category: 'VALIDATION' },
  E_VALIDATION_INVALID_FORMAT: { status: 400, category: 'VALIDATION' },
  E_VALIDATION_CONSTRAINT: { status: 400, category: 'VALIDATION' },
  E_VALIDATION_UNKNOWN_CAPABILITY: { status: 400, category: 'VALIDATION' },
  E_AUTH_UNAUTHORIZED: { status: 401, category: 'AUTH' },
  E_AUTH_INVALID_TOKEN: { status: 401, category: 'AUTH' },
  E_AUTH_EXPIRED_TOKEN: { status: 401, category: 'AUTH' },
  E_AUTH_FORBIDDEN: { status: 403, category: 'PERMISSION' },
  E_AUTH_INSUFFICIENT_PERMISSIONS: { status: 403, category: 'PERMISSION' },
  E_NOT_FOUND_AGENT: { status: 404, category: 'NOT_FOUND' },
  E_NOT_FOUND_CONVERSATION: { status: 404, category: 'NOT_FOUND' },
  E_NOT_FOUND_MESSAGE: { status: 404, category: 'NOT_FOUND' },
  E_NOT_FOUND_RESOURCE: { status: 404, category: 'NOT_FOUND' },
  E_CONFLICT_DUPLICATE: { status: 409, category: 'CONFLICT' },
  E_CONFLICT_ALREADY_CLAIMED: { status: 409, category: 'CONFLICT' },
  E_CONFLICT_ALREADY_EXISTS: { status: 409, category: 'CONFLICT' },
  E_RATE_LIMIT: { status: 429, category: 'RATE_LIMIT' },
  E_INTERNAL_ERROR: { status: 500, category: 'INTERNAL' },
  E_INTERNAL_DATABASE: { status: 500, category: 'INTERNAL' },
  E_INTERNAL_SERVICE: { status: 500, category: 'INTERNAL' },
} as const satisfies Record<string, { status: number; category: string }>;

/** A code that a SignalDock server may answer with. */
export type WireErrorCode = keyof typeof WIRE_ERRORS;

/** An error the backend answers, the same whether it came over HTTP or from the embedded dock. */
export class WireError extends CleoError {
  declare readonly code: WireErrorCode;

  constructor(code: WireErrorCode, message: string, options: CleoErrorOptions = {}) {
    const retryable = WIRE_ERRORS[code].status === 429 || WIRE_ERRORS[code].status >= 500;
    super(code, message, { retryable, ...options });
  }
}

/** What an agent may say that it is. One that says nothing is `custom`. */
export const AGENT_CLASSES = [
  'personal_assistant',
  'code_dev',
  'research',
  'orchestrator',
  'security',
  'devops',
  'data',
  'creative',
  'support',
  'testing',
  'documentation',
  'utility_bot',
  'custom',
] as const;

/** Whether others find an agent in a list: not when it is `private`. Default `public`. */
export const PRIVACY_TIERS = ['public', 'discoverable', 'private'] as const;

/** How a conversation is marked, `private` by default. Whatever it says, only those who take part may read it. */
export const VISIBILITIES = ['private', 'public', 'shared'] as const;

/** What the content of a message is. Default `text`, also for one that a newer backend knows. */
export const CONTENT_TYPES = [
  'text',
  'image',
  'file',
  'video',
  'audio',
  'link',
  'rich_text',
  'mixed',
] as const;

const lineSchema = z.string().regex(/^\P{Cc}*$/u, 'holds a control character');
const statusSchema = z.enum(['online', 'offline', 'busy']);
const slugsSchema = z.array(
  z.string().regex(/^[a-z0-9_-]{1,64}$/, 'a slug is 1 to 64 of a-z, 0-9, "_", "-"'),
);

/** An agent as its owner sees it. The key's hash is never part of it. */
export const wireAgentSchema = z.looseObject({
  id: z.string(),
  agentId: z.string(),
  name: z.string(),
  description: z.string().optional(),
  /** One of {@link AGENT_CLASSES}, or one a newer backend knows. */
  class: z.string(),
  privacyTier: z.enum(PRIVACY_TIERS),
  ownerId: z.string().optional(),
  endpoint: z.string().optional(),
  webhookSecret: z.string().optional(),
  capabilities: z.array(z.string()),
  skills: z.array(z.string()),
  avatar: z.string().optional(),
  stats: z.looseObject({
    messagesSent: z.int(),
    messagesReceived: z.int(),
    conversationCount: z.int(),
    friendCount: z.int(),
  }),
  status: statusSchema,
  isClaimed: z.boolean(),
  /** Absent before the agent has been seen. */
  lastSeen: z.string().optional(),
  createdAt: z.string(),
  updatedAt: z.string(),
  paymentConfig: z.record(z.string(), z.unknown()).optional(),
  organizationId: z.string().optional(),
});

/** What {@link wireAgentSchema} reads. */
export type WireAgent = z.infer<typeof wireAgentSchema>;

/** An agent as everyone sees it. */
export const agentCardSchema = wireAgentSchema.omit({
  id: true,
  ownerId: true,
  webhookSecret: true,
  updatedAt: true,
  organizationId: true,
});

/** What {@link agentCardSchema} reads. */
export type AgentCard = z.infer<typeof agentCardSchema>;

/** What registering an agent takes; everything but the id has a default. */
export const newAgentSchema = z.object({
  agentId: agentIdSchema,
  name: lineSchema.min(1).max(256).optional(),
  description: z
    .string()
    .max(4096)
    .regex(/^[^\0]*$/, 'holds a NUL')
    .optional(),
  class: z.enum(AGENT_CLASSES).default('custom'),
  privacyTier: z.enum(PRIVACY_TIERS).default('public'),
  endpoint: z.url().max(2048).optional(),
  capabilities: slugsSchema.max(64).default([]),
  skills: slugsSchema.max(64).default([]),
  avatar: lineSchema.max(2048).optional(),
  paymentConfig: z.record(z.string(), z.unknown()).optional(),
});

/** What {@link newAgentSchema} takes. */
export type NewAgent = z.input<typeof newAgentSchema>;

/** What an owner may change. */
export const agentPatchSchema = z
  .object({
    ...newAgentSchema.omit({ agentId: true }).shape,
    class: z.enum(AGENT_CLASSES),
    privacyTier: z.enum(PRIVACY_TIERS),
    capabilities: slugsSchema.max(64),
    skills: slugsSchema.max(64),
    status: statusSchema,
  })
  .partial();

/** What {@link agentPatchSchema} reads: only what is to change. */
export type AgentPatch = z.infer<typeof agentPatchSchema>;

/** A conversation as those in it see it. Its times are RFC 3339; `lastMessageAt` is absent before the first message. */
export const wireConversationSchema = z.looseObject({
  id: z.string(),
  /** Sorted ascending. */
  participants: z.array(z.string()),
  visibility: z.enum(VISIBILITIES),
  /** One group message counts once. */
  messageCount: z.int(),
  lastMessageAt: z.string().optional(),
  createdAt: z.string(),
  updatedAt: z.string(),
});

/** What {@link wireConversationSchema} reads. */
export type WireConversation = z.infer<typeof wireConversationSchema>;

/** What opening a conversation takes: 1 to 256 participants beside whoever opens it. */
export const newConversationSchema = z.object({
  participants: z.array(agentIdSchema).min(1).max(256),
  visibility: z.enum(VISIBILITIES).default('private'),
});

/** What {@link newConversationSchema} takes. */
export type NewConversation = z.input<typeof newConversationSchema>;

/** A file that a message names, at most 32 for each. The backend keeps the name and the address, not the file. */
export const attachmentSchema = z.looseObject({
  id: z.string(),
  contentType: z.string(),
  filename: z.string().optional(),
  url: z.string(),
  sizeBytes: z.int().nonnegative().optional(),
  checksum: z.string().optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
});

/** What {@link attachmentSchema} reads. */
export type Attachment = z.infer<typeof attachmentSchema>;

/** What the backend reads out of a message's text, and whatever else the sender put beside it. */
export const wireMetadataSchema = z.looseObject({
  /** Agent ids, lower-case. */
  mentions: z.array(z.string()).optional(),
  directives: z.array(z.string()).optional(),
  tags: z.array(z.string()).optional(),
  taskRefs: z.array(z.string()).optional(),
});

/** What {@link wireMetadataSchema} reads. */
export type WireMetadata = z.infer<typeof wireMetadataSchema>;

/** One recipient's copy of a message. */
export const wireMessageSchema = z.looseObject({
  id: z.string().min(1),
  conversationId: z.string(),
  fromAgentId: z.string().min(1),
  toAgentId: z.string(),
  content: z.string(),
  contentType: z.enum(CONTENT_TYPES).catch('text'),
  status: z.enum(['pending', 'delivered', 'read']),
  createdAt: z.string(),
  deliveredAt: z.string().optional(),
  readAt: z.string().optional(),
  attachments: z.array(attachmentSchema).optional(),
  /** Shared by the copies one group send made. */
  groupId: z.string().optional(),
  replyTo: z.string().optional(),
  metadata: wireMetadataSchema.optional(),
  /** Strictly increasing per backend; the only cursor. A server that predates it sends none. */
  seq: z.int().nonnegative().optional(),
});

/** What {@link wireMessageSchema} reads. */
export type WireMessage = z.infer<typeof wireMessageSchema>;

/** What sending takes, beside the recipient or the conversation. */
export const newMessageSchema = z.object({
  content: z.string(),
  contentType: z.enum(CONTENT_TYPES).default('text'),
  attachments: z.array(attachmentSchema).max(32).optional(),
  replyTo: lineSchema.min(1).max(128).optional(),
  metadata: wireMetadataSchema.optional(),
});

/** What {@link newMessageSchema} takes. */
export type NewMessage = z.input<typeof newMessageSchema>;

/** What a heartbeat or a change of status carries. */
export const presenceReportSchema = z.object({
  status: statusSchema,
  reason: z.string().max(1024).optional(),
  instanceId: lineSchema.max(128).optional(),
});

/** The answer to "is it online?", computed when it is asked. */
export const wirePresenceSchema = z.looseObject({
  agentId: z.string(),
  online: z.boolean(),
  status: z.enum(['online', 'busy', 'stale', 'offline']),
  lastSeen: z.string().optional(),
});

/** What {@link wirePresenceSchema} reads. */
export type WirePresence = z.infer<typeof wirePresenceSchema>;

/** A wire message in the shape every transport hands over. What has no place there is kept under its wire name. */
export function toConduitMessage(wire: WireMessage): ConduitMessage {
  const { fromAgentId, conversationId, createdAt, toAgentId: _, status: __, ...rest } = wire;
  return {
    ...rest,
    from: fromAgentId,
    timestamp: createdAt,
    threadId: conversationId,
    ...(wire.metadata?.tags && { tags: wire.metadata.tags }),
  };
}
