import { setImmediate as turn } from 'node:timers/promises';
import type { WireMetadata } from '@cleocode/contracts';
import type { Context } from './context.ts';
import { requireAgent } from './conversations.ts';
import { beginningOf, COMPACT_COLUMNS, MENTIONED, type MessageRow, wireMessage } from './messages.ts';
import { validAgentId } from './validate.ts';

const MAX_ACTION_ITEMS = 50;
/** How many unread messages one read looks at, so that a full inbox does not hold the event loop. */
const STEP = 200;

/** An unread message that asks for something. */
export interface ActionItem {
  /** Of the message. */
  id: string;
  fromAgentId: string;
  conversationId: string;
  /** The first 200 characters of the content. */
  preview: string;
  metadata: WireMetadata;
  /** RFC 3339. */
  createdAt: string;
}

/** What is unread, in numbers, and what of it asks for something. */
export interface InboxOverview {
  unreadTotal: number;
  /**
   * Unread messages with metadata: a mention, a directive, a tag, a task. The oldest 50 of them. What the runtime counts in
   * `metadata.cleo` is nobody's task.
   */
  actionItems: ActionItem[];
  /** How many unread messages mention the agent, or everyone. */
  mentions: number;
  /** Those with unread messages, the latest first. */
  conversations: { conversationId: string; unreadCount: number }[];
}

/** The inbox at a glance. */
export interface Overview {
  /**
   * What is unread, counted and sorted. It looks at each unread message, with turns of the event loop between, so what
   * comes or is acked meanwhile may count or not.
   */
  inboxOverview(agentId: string): Promise<InboxOverview>;
}

const UNREAD = `
  SELECT m.seq, p.conversation, ifnull(json_remove(p.metadata, '$.cleo') <> '{}', 0) AS actionable,
    p.metadata IS NOT NULL AND ${MENTIONED} AS mentioned
  FROM messages m INDEXED BY messages_unread JOIN posts p ON p.seq = m.post
  WHERE m.to_agent = $agent AND m.read_at IS NULL AND m.seq > $afterSeq ORDER BY m.seq LIMIT ${STEP}`;
const MESSAGE = `SELECT ${COMPACT_COLUMNS} FROM messages m JOIN posts p ON p.seq = m.post WHERE m.seq = ?`;

interface UnreadRow {
  seq: number;
  conversation: string;
  actionable: number;
  mentioned: number;
}

export function overview({ db }: Context): Overview {
  return {
    async inboxOverview(agentId) {
      requireAgent(db, validAgentId(agentId));
      const actionItems: ActionItem[] = [];
      const unread = new Map<string, number>();
      let unreadTotal = 0;
      let mentions = 0;
      for (let afterSeq = 0; ; await turn()) {
        const rows = db
          .sql(UNREAD)
          .all({ agent: agentId, mentioned: agentId.toLowerCase(), afterSeq }) as unknown as UnreadRow[];
        for (const { seq, conversation, actionable, mentioned } of rows) {
          const count = unread.get(conversation) ?? 0;
          // Put at the end again, so that the latest conversation is the last.
          unread.delete(conversation);
          unread.set(conversation, count + 1);
          mentions += mentioned;
          if (!actionable || actionItems.length === MAX_ACTION_ITEMS) continue;
          const row = db.sql(MESSAGE).get(seq);
          // Undefined when another process has just read and pruned it.
          if (row) actionItems.push(actionItem(row as unknown as MessageRow));
        }
        unreadTotal += rows.length;
        if (rows.length < STEP) break;
        afterSeq = rows.at(-1)!.seq;
      }
      const conversations = Array.from(unread, ([conversationId, unreadCount]) => ({
        conversationId,
        unreadCount,
      })).reverse();
      return { unreadTotal, actionItems, mentions, conversations };
    },
  };
}

function actionItem(row: MessageRow): ActionItem {
  const { id, fromAgentId, conversationId, content, metadata, createdAt } = wireMessage(row);
  return { id, fromAgentId, conversationId, preview: beginningOf(content), metadata: metadata!, createdAt };
}
