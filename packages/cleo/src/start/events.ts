import {
  type AuthEvent,
  errorText,
  type InboxEvent,
  type Problem,
  type Realtime,
  type RealtimeState,
} from '@cleocode/contracts';
import type { StopReport } from '@cleocode/kernel';

/** What `cleo agent start --json` writes, one per line; scripts rely on the names. */
export type AgentEvent =
  | { event: 'ready'; agentId: string; transport: string; pid: number; plugins: string[] }
  | {
      event: 'message';
      agentId: string;
      id: string;
      from: string;
      content: string;
      threadId?: string;
      groupId?: string;
      attempt: number;
      timestamp: string;
    }
  /** While message `id` was handled, this was sent. */
  | { event: 'sent'; agentId: string; id: string; to: string; content: string; messageId: string }
  | { event: 'done'; agentId: string; id: string; durationMs: number }
  | { event: 'failed'; agentId: string; id: string; attempt: number; error: string; retryInMs?: number }
  | { event: 'dead'; agentId: string; id: string; attempts: number; error: string }
  | { event: 'dropped'; agentId: string; id: string; plugin: string; reason: string }
  /** Its conversation is set aside: it is handled once that goes on. */
  | { event: 'held'; agentId: string; id: string; conversation: string }
  /** Agents answer each other there without end; the hint says how to let it go on. */
  | {
      event: 'aside';
      agentId: string;
      conversation: string;
      cause: 'hops' | 'rate';
      reason: string;
      hint: string;
    }
  | { event: 'resumed'; agentId: string; conversation: string }
  | ({ event: 'problem'; agentId: string; resolved: boolean } & Problem)
  /** Whether messages come by themselves; `problem` says why not. */
  | { event: 'realtime'; agentId: string; state: RealtimeState; problem?: Problem | undefined }
  /** The backend refuses the key, or takes it again; or another one is in use from now on. */
  | ({ event: 'auth'; agentId: string } & AuthEvent)
  /** `leftOpen`: what keeps the process alive that its agents did not find there, by the names of Node; absent when nothing does. */
  | ({ event: 'stopped'; agentId: string; leftOpen?: string[] } & Pick<
      StopReport,
      'reason' | 'drained' | 'released' | 'forced' | 'ok'
    >);

export function realtimeEvent(agentId: string, { state, problem }: Realtime): AgentEvent {
  return { event: 'realtime', agentId, state, problem };
}

/** An inbox event as the command tells it; undefined for those that are the sources' business. */
export function agentEvent(agentId: string, event: InboxEvent): AgentEvent | undefined {
  switch (event.type) {
    case 'message': {
      const { id, from, content, threadId, groupId, timestamp } = event.message;
      const { attempt } = event;
      return { event: 'message', agentId, id, from, content, threadId, groupId, attempt, timestamp };
    }
    case 'sent': {
      const { message, to, content, messageId } = event;
      return { event: 'sent', agentId, id: message.id, to, content, messageId };
    }
    case 'done':
      return { event: 'done', agentId, id: event.message.id, durationMs: Math.round(event.durationMs) };
    case 'failed': {
      const { message, attempt, plugin, error, retryInMs } = event;
      return {
        event: 'failed',
        agentId,
        id: message.id,
        attempt,
        error: `${plugin}: ${errorText(error)}`,
        retryInMs,
      };
    }
    case 'dead':
      return { event: 'dead', agentId, id: event.message.id, attempts: event.attempts, error: event.error };
    case 'dropped': {
      const { message, plugin, reason } = event;
      return { event: 'dropped', agentId, id: message.id, plugin, reason };
    }
    case 'held':
      return { event: 'held', agentId, id: event.message.id, conversation: event.conversation };
    case 'aside': {
      const { conversation, cause, reason, hint } = event;
      return { event: 'aside', agentId, conversation, cause, reason, hint };
    }
    case 'resumed':
      return { event: 'resumed', agentId, conversation: event.conversation };
    case 'problem': {
      const { code, message, hint, resolved } = event;
      return { event: 'problem', agentId, code, message, hint, resolved };
    }
    default:
      return undefined;
  }
}
