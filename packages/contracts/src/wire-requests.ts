import { z } from 'zod';
import { agentIdSchema } from './agent.ts';
import {
  AGENT_CLASSES,
  newConversationSchema,
  newMessageSchema,
  PRIVACY_TIERS,
  presenceReportSchema,
} from './wire.ts';

// What the routes of a SignalDock server take beside the objects of wire.ts. A query comes as text, so numbers are read from it.

/** How many messages one ack may name. */
const MAX_ACK_IDS = 10_000;

const idSchema = z.string().min(1).max(128);
/** A larger one than a page may have is cut, not refused. */
const limitSchema = z.coerce.number().int().min(1);
/** Counts from 1; 0 is the first page too. */
const pageSchema = z.coerce.number().int().min(0);
const seqSchema = z.coerce.number().int().min(0);
const timeSchema = z.string().max(64);

/** The path of a route about one agent. */
export const agentPathSchema = z.object({ id: agentIdSchema });

/** The path of a route about one conversation or one message; an id has 1 to 128 characters. */
export const idPathSchema = z.object({ id: idSchema });

/** What `GET /agents` takes. Default 50 agents a page, at most 200. */
export const listAgentsQuerySchema = z.object({
  capability: z.string().max(64).optional(),
  skill: z.string().max(64).optional(),
  class: z.enum(AGENT_CLASSES).optional(),
  /** As computed now. */
  status: presenceReportSchema.shape.status.optional(),
  privacy: z.enum(PRIVACY_TIERS).optional(),
  /** A part of the id, the name or the description. */
  search: z.string().max(256).optional(),
  sort: z.enum(['messages', 'created', 'last_seen']).optional(),
  page: pageSchema.optional(),
  limit: limitSchema.optional(),
});

/** What `POST /agents/{id}/heartbeat` takes: nothing given means `online`. */
export const heartbeatSchema = presenceReportSchema.partial().optional();

/** What `POST /agents/{id}/rotate-key` takes; nothing is needed. */
export const rotateKeySchema = z
  .object({
    /** How long the old key goes on working. Default 600; 0 ends it at once. */
    overlapSeconds: z.number().min(0).max(86_400).optional(),
    /** The overlap begins no earlier than the first use of the new key. Default `false`. */
    keepUntilUsed: z.boolean().optional(),
  })
  .optional();

/** What `POST /messages` takes: a message, and whom it is for. */
export const directMessageSchema = newMessageSchema.extend({ toAgentId: agentIdSchema });

/** What `GET /messages/peek` and `GET /messages/poll/new` take. Default 50 messages, at most 200. */
export const pollQuerySchema = z.object({
  /** Only messages whose `seq` is greater: exclusive, exact, ascending. */
  after_seq: seqSchema.optional(),
  /** A message id, or an RFC 3339 time. */
  since: z.string().max(128).optional(),
  /** An RFC 3339 time. */
  after: timeSchema.optional(),
  /** Only messages that mention this agent, or everyone. */
  mentioned: agentIdSchema.optional(),
  limit: limitSchema.optional(),
});

/** What `POST /messages/ack` takes: at most 10,000 ids. */
export const ackSchema = z.object({ messageIds: z.array(idSchema).max(MAX_ACK_IDS) });

/** What `GET /conversations` takes. Default 50 conversations a page, at most 200. */
export const pageQuerySchema = z.object({ page: pageSchema.optional(), limit: limitSchema.optional() });

/** What `POST /conversations/{id}/participants` takes: who comes in. */
export const addParticipantsSchema = newConversationSchema.pick({ participants: true });

/** What `GET /conversations/{id}/messages` takes. Default 50 messages, at most 200. */
export const historyQuerySchema = z.object({
  sort: z.enum(['asc', 'desc']).optional(),
  page: pageSchema.optional(),
  limit: limitSchema.optional(),
  /** Only messages whose `seq` is greater: exclusive, exact, ascending whatever `sort` says. */
  after_seq: seqSchema.optional(),
  /** An RFC 3339 time. */
  after: timeSchema.optional(),
  /** Only messages that mention this agent, or everyone. */
  mentioned: agentIdSchema.optional(),
  /** The content is cut to 200 characters. */
  compact: z.stringbool().optional(),
});

/** What `GET /messages/search` takes. Default 50 messages, at most 200. */
export const searchQuerySchema = z.object({
  /** Words that all have to be in a message; the first 10 are used. */
  q: z.string().min(1).max(256),
  conversationId: idSchema.optional(),
  limit: limitSchema.optional(),
});

/** What `GET /conversations/messages` takes: several conversations, ids separated by commas, in one ascending page. */
export const scanQuerySchema = z.object({
  ids: z.string().min(1),
  after_seq: seqSchema.optional(),
  limit: limitSchema.optional(),
});
