import { CleoError, type ConduitMessage, errorText, type InboxEvent } from '@cleocode/contracts';
import type { Logger } from '../logger.ts';
import type { Attempt } from './attempt.ts';

export interface OutcomesParts {
  logger: Logger;
  /** Whether anybody listens: events are not made for nobody. */
  observed(): boolean;
  emit(event: InboxEvent): void;
}

/** What became of messages: counted, logged, and told to the observers. */
export class Outcomes {
  readonly counts = { done: 0, failed: 0, dead: 0, dropped: 0 };
  readonly #parts: OutcomesParts;

  constructor(parts: OutcomesParts) {
    this.#parts = parts;
  }

  /** `began`: by the monotonic clock; `undefined` when nobody listened then. */
  done(
    message: ConduitMessage,
    attempt: number,
    began: number | undefined,
    dropped: Attempt['dropped'],
  ): void {
    this.counts[dropped ? 'dropped' : 'done'] += 1;
    if (!this.#parts.observed()) return;
    const durationMs = began === undefined ? 0 : performance.now() - began;
    if (dropped) this.#parts.emit({ type: 'dropped', message, ...dropped });
    else this.#parts.emit({ type: 'done', message, attempt, durationMs });
  }

  /** Without `retryInMs` it was the last attempt. */
  failed(message: ConduitMessage, attempt: number, outcome: Attempt, retryInMs?: number): void {
    const { plugin, error } = outcome.decisive!;
    const when = retryInMs === undefined ? {} : { retryInMs };
    this.counts.failed += 1;
    this.#parts.emit({ type: 'failed', message, attempt, plugin, error, ...when });
    for (const failure of outcome.failures) {
      const { hint } = CleoError.is(failure.error) ? failure.error : {};
      this.#parts.logger.warn('a message handler failed', {
        inboxEvent: 'failed',
        plugin: failure.plugin,
        messageId: message.id,
        attempt,
        error: errorText(failure.error),
        ...(hint !== undefined && { hint }),
        ...when,
      });
    }
  }

  dead(message: ConduitMessage, attempts: number, reason: string): void {
    this.counts.dead += 1;
    this.#parts.emit({ type: 'dead', message, attempts, error: reason });
    this.#parts.logger.error('a message became a dead letter', {
      inboxEvent: 'dead',
      messageId: message.id,
      attempts,
      error: reason,
    });
  }
}
