import type { Inbox } from '@cleocode/contracts';
import type { DeadLetters } from './dead-letters.ts';

type ReplaySource = Pick<DeadLetters, 'pendingReplays' | 'messageToReplay'>;

/**
 * Hands dead letters that are marked for replay to the inbox. The mark is the journal's and goes only when the message is
 * done or dead again, so a crash on the way loses nothing; what was handed over in this process is remembered here.
 */
export class Replayer {
  readonly #letters: ReplaySource;
  readonly #inbox: Inbox;
  #handedOver = new Map<string, number>();

  constructor(letters: ReplaySource, inbox: Inbox) {
    this.#letters = letters;
    this.#inbox = inbox;
  }

  /** Hands over what there is room for; `true` when something is left for later. */
  feed(): boolean {
    const pending = this.#letters.pendingReplays();
    const handedOver = new Map<string, number>();
    for (const { key, at } of pending)
      if (this.#handedOver.get(key) === at || this.#handOver(key)) handedOver.set(key, at);
    this.#handedOver = handedOver;
    return handedOver.size < pending.length;
  }

  /** The inbox is asked only while it has room; what it turns away all the same is offered again. */
  #handOver(key: string): boolean {
    if (this.#inbox.room === 0) return false;
    const message = this.#letters.messageToReplay(key);
    if (!message) return true;
    return (
      this.#inbox.receive([message], { name: 'replay', ackable: false, anew: true }).deferred.length === 0
    );
  }
}
