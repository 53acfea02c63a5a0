import { type ConduitMessage, toConduitMessage, wireMessageSchema } from '@cleocode/contracts';
import { z } from 'zod';
import type { StreamEvent } from './connection.ts';

/** What an event of a stream tells. */
export type Frame =
  /** A message, whole. */
  | { kind: 'message'; message: ConduitMessage }
  /** That there is something to fetch. `fault`: what is wrong with the event, when something is. */
  | { kind: 'fetch'; fault?: string }
  /** That the stream is alive. */
  | { kind: 'alive' };

/** The spellings on record, in the order in which they are believed. */
const SPELLINGS: Record<string, readonly string[]> = {
  id: ['id', 'messageId', 'message_id'],
  fromAgentId: ['from', 'fromAgentId', 'from_agent_id'],
  conversationId: ['conversationId', 'conversation_id', 'threadId'],
  contentType: ['contentType', 'content_type'],
  createdAt: ['createdAt', 'created_at', 'timestamp'],
};
const RESPELT = new Set(Object.values(SPELLINGS).flat());
/** Some servers name the event in its data. */
const SIGNS_OF_LIFE = ['heartbeat', 'ping', 'connected'];

const objectSchema = z.record(z.string(), z.unknown());
/** What a frame leaves out has no meaning here: it is addressed to this agent, and it is new. */
const frameSchema = wireMessageSchema.extend({
  toAgentId: z.string().catch(''),
  status: z.literal('pending').catch('pending'),
});

/**
 * Reads an event in any of the shapes on record. An id is never invented: what has none is fetched.
 *
 * So is the message of a server that does not number its messages. Its frames do not say which of them are copies of a group
 * message, and a message that came under two keys would be handled twice.
 */
export function readFrame({ type, data, id }: StreamEvent): Frame {
  if (type === 'resync') return { kind: 'fetch' };
  const frame = objectSchema.safeParse(parsed(data)).data;
  if (!frame) return { kind: 'fetch', fault: 'it is no JSON object' };
  const { type: named, ...members } = frame;
  if (SIGNS_OF_LIFE.includes(named as string)) return { kind: 'alive' };
  const wire = frameSchema.safeParse(respelt(members, id));
  if (!wire.success) return { kind: 'fetch', fault: faultOf(wire.error) };
  if (wire.data.seq === undefined) return { kind: 'fetch' };
  return { kind: 'message', message: toConduitMessage(wire.data) };
}

/** The members by the names of the wire, without those that say nothing. */
function respelt(members: Record<string, unknown>, id: string | undefined): Record<string, unknown> {
  const said = Object.entries(members).filter(([, value]) => value !== null);
  const byName = new Map(said);
  const named = Object.entries(SPELLINGS).map(([name, spellings]) => [
    name,
    spellings.map((spelling) => byName.get(spelling)).find((value) => value !== undefined),
  ]);
  const rest = said.filter(([name]) => !RESPELT.has(name));
  return { id, ...Object.fromEntries([...rest, ...named].filter(([, value]) => value !== undefined)) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // No JSON text is `undefined`.
  }
}

function faultOf({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
}
