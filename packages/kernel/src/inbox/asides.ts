import type { AsideConversation, InboxEvent, InboxStats } from '@cleocode/contracts';
import type { Logger } from '../logger.ts';
import type { Item } from './lanes.ts';
import type { InboxOptions } from './options.ts';
import { ReplyRate } from './reply-rate.ts';

/** Why a conversation is set aside. */
export type Objection = Pick<AsideConversation, 'cause' | 'reason'>;

export interface AsidesParts {
  options: Required<InboxOptions>;
  logger: Logger;
  agentId: string;
  emit(event: InboxEvent): void;
}

/**
 * An answer to an answer to an answer: what a message of fewer hops brings about is work that somebody asked for, however much
 * of it there is.
 */
const COUNTED_HOPS = 2;

/** The conversations that are set aside, and the rule by which they are. */
export class Asides {
  readonly #parts: AsidesParts;
  readonly #aside = new Map<string, AsideConversation>();
  readonly #rate = new ReplyRate();

  constructor(parts: AsidesParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#aside.size;
  }

  get(conversation: string): AsideConversation | undefined {
    return this.#aside.get(conversation);
  }

  list(): AsideConversation[] {
    return Array.from(this.#aside.values(), (one) => ({ ...one }));
  }

  /** Why no handler should see this message, because answering it may never end. */
  objection({ hops, lane }: Item): Objection | undefined {
    const { maxHops, maxRepliesPerMinute } = this.#parts.options;
    if (maxHops > 0 && hops > maxHops)
      return {
        cause: 'hops',
        reason: `agents answered each other ${hops} times in a row, more than ${maxHops}`,
      };
    if (maxRepliesPerMinute === 0 || hops < COUNTED_HOPS || this.#rate.of(lane.name) < maxRepliesPerMinute)
      return undefined;
    return {
      cause: 'rate',
      reason: `agents' answers were answered ${maxRepliesPerMinute} times within a minute`,
    };
  }

  /** Something was sent while the message was handled. */
  answered({ hops, lane }: Item): void {
    if (hops >= COUNTED_HOPS) this.#rate.count(lane.name);
  }

  add(conversation: string, objection: Objection): void {
    this.restore({ conversation, ...objection, since: new Date().toISOString(), resuming: false });
  }

  /** Notes one that an earlier process, or this one, has set aside. */
  restore(aside: AsideConversation): void {
    const { conversation, cause, reason, resuming } = aside;
    this.#aside.set(conversation, aside);
    this.#rate.forget(conversation);
    if (resuming) return;
    const hint = `Look at it, then let it go on: cleo agent set-aside ${this.#parts.agentId} resume ${conversation}`;
    this.#parts.logger.warn('a conversation is set aside: agents answer each other without end', {
      inboxEvent: 'aside',
      conversation,
      reason,
      hint,
    });
    this.#parts.emit({ type: 'aside', conversation, cause, reason, hint });
  }

  /** It goes on: what was held comes first. */
  resume(conversation: string): void {
    const aside = this.#aside.get(conversation);
    if (!aside || aside.resuming) return;
    aside.resuming = true;
    this.#parts.logger.info('a conversation goes on', { inboxEvent: 'resumed', conversation });
    this.#parts.emit({ type: 'resumed', conversation });
  }

  /** What was held is handled: it is a conversation like any other. */
  clear(conversation: string): void {
    this.#aside.delete(conversation);
  }

  problem(): InboxStats['aside'] {
    const waiting = this.list().filter(({ resuming }) => !resuming);
    if (waiting.length === 0) return undefined;
    const one = waiting.length === 1;
    const { conversation, reason } = waiting[0]!;
    return {
      code: 'conversation_aside',
      conversations: waiting.length,
      message: one
        ? `conversation ${conversation} is set aside: ${reason}`
        : `${waiting.length} conversations are set aside, because agents answered each other without end`,
      hint: `${one ? 'Look at it' : 'Look at them'}: cleo agent set-aside ${this.#parts.agentId}. To let ${one ? 'it' : 'one'} go on: cleo agent set-aside ${this.#parts.agentId} resume ${one ? conversation : 'CONVERSATION'}`,
    };
  }
}
