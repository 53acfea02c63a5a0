import type { ConduitMessage } from '@cleocode/contracts';

/** A message of a stream, with the id to go on after once it is taken. */
export interface Arrival {
  message: ConduitMessage;
  resumeId: string;
}

/** More than this is not held while a catch-up reads: the next one reads it. */
const MAX_HELD = 1_000;
const MAX_HELD_CHARS = 8 * 1024 * 1024;

/**
 * Lets the messages of a stream through only while nothing older can be unread, so that none overtakes another: it opens when a
 * catch-up that began after it was shut has read to the end. What arrives meanwhile is held, and let through then.
 */
export class Gate {
  readonly #deliver: (arrivals: readonly Arrival[]) => void;
  #held: Arrival[] | undefined = [];
  #heldChars = 0;
  /** A catch-up is reading that began after the gate was last shut. */
  #reading = false;

  constructor(deliver: (arrivals: readonly Arrival[]) => void) {
    this.#deliver = deliver;
  }

  get open(): boolean {
    return this.#held === undefined;
  }

  /** Something may be missing: from here on all is held, and what is held now is left to the catch-up. */
  shut(): void {
    this.#held = [];
    this.#heldChars = 0;
    this.#reading = false;
  }

  /** Answers whether a catch-up has to begin that is not under way: more has arrived than is held. */
  arrive(arrival: Arrival): boolean {
    if (!this.#held) {
      this.#deliver([arrival]);
      return false;
    }
    this.#held.push(arrival);
    this.#heldChars += arrival.message.content.length;
    if (this.#held.length <= MAX_HELD && this.#heldChars <= MAX_HELD_CHARS) return false;
    this.shut();
    return true;
  }

  catchUpBegins(): void {
    this.#reading = true;
  }

  /** A catch-up has read to the end. Answers whether it opened the gate. */
  caughtUp(): boolean {
    const held = this.#held;
    if (!held || !this.#reading) return false;
    this.#held = undefined;
    this.#reading = false;
    if (held.length > 0) this.#deliver(held);
    return true;
  }
}
