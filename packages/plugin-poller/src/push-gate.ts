import type { ConduitMessage } from '@cleocode/contracts';

/** More than this is not held during a scan: another scan reads it. */
const HELD = 100;

export interface PushGateOptions {
  /** Hands messages to the inbox; answers whether it took them all. */
  deliver(messages: ConduitMessage[]): boolean;
  /** Something was pushed that only another scan can bring now. */
  onBehind(): void;
}

/**
 * Lets pushed messages through only while nothing older can be waiting unread, so that a push never overtakes: it opens
 * when a scan has read everything and the inbox took it all, and closes when the inbox turns a message away or the
 * transport fails.
 */
export class PushGate {
  readonly #options: PushGateOptions;
  #open = false;
  /** What was pushed since the scan under way began. */
  #held: ConduitMessage[] | undefined;
  #overflowed = false;

  constructor(options: PushGateOptions) {
    this.#options = options;
  }

  get open(): boolean {
    return this.#open;
  }

  push(message: ConduitMessage): void {
    if (this.#open) this.#open = this.#options.deliver([message]);
    else if (!this.#held) this.#options.onBehind();
    else if (this.#held.length < HELD) this.#held.push(message);
    else this.#overflowed = true;
  }

  /** A scan begins. What is pushed from now on and is not in the scan's pages is newer than all of them. */
  scanBegins(): void {
    this.#overflowed = false;
    if (!this.#open) this.#held = [];
  }

  /** The scan ended. `complete`: it read everything unread and the inbox took it all. */
  scanEnds(complete: boolean): void {
    const held = this.#held;
    this.#held = undefined;
    if (!complete) this.#open = false;
    else if (held) this.#open = this.#options.deliver(held) && !this.#overflowed;
    if (this.#overflowed) this.#options.onBehind();
  }

  /** What is pushed may follow something that was missed: only a scan can tell. */
  close(): void {
    this.#open = false;
    this.#held = undefined;
  }
}
