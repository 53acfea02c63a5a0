import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Seen } from './gateway.ts';

/** A stream on its way through the gateway, which passes on each piece as it comes unless it is told otherwise. */
export class Relay {
  readonly request: Seen;
  /** When its answer began and when the client was given the latest piece, by the monotonic clock. */
  readonly openedAt = performance.now();
  lastBytesAt: number | undefined;
  /** Gets each piece instead of the client. */
  through: ((piece: Buffer, relay: Relay) => void) | undefined;
  readonly #answer: IncomingMessage;
  readonly #outgoing: ServerResponse;
  #open = true;
  #silent = false;

  constructor(request: Seen, answer: IncomingMessage, outgoing: ServerResponse) {
    this.request = request;
    this.#answer = answer;
    this.#outgoing = outgoing;
    outgoing.writeHead(answer.statusCode!, answer.headers);
    outgoing.flushHeaders();
    answer.on('data', (piece: Buffer) => {
      if (this.through) this.through(piece, this);
      else this.send(piece);
    });
    answer.once('end', () => {
      if (!this.#silent) outgoing.end();
    });
    // The backend is gone without a word; so it would look to the client without a gateway.
    answer.on('error', () => {
      if (!this.#silent) this.cut();
    });
    const left = () => {
      this.#open = false;
      // Through a black hole no end is heard either.
      if (!this.#silent) answer.destroy();
    };
    if (outgoing.destroyed) left();
    else outgoing.once('close', left);
  }

  /** The client has not left it, and it was not ended. */
  get open(): boolean {
    return this.#open;
  }

  send(bytes: Buffer | string): void {
    if (this.#silent || !this.#open) return;
    this.lastBytesAt = performance.now();
    this.#outgoing.write(bytes);
  }

  /** Ends the connection in the middle of the answer. */
  cut(): void {
    this.#outgoing.destroy();
  }

  /** The same, as a reset. */
  reset(): void {
    this.#outgoing.socket?.resetAndDestroy();
  }

  /** From here on nothing passes, in neither direction, and nobody is told: a black hole. */
  silence(): void {
    this.#silent = true;
  }

  /** Ends what the gateway itself still holds open. */
  close(): void {
    this.#answer.destroy();
    this.#outgoing.destroy();
  }
}
