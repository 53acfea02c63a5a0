import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { CleoError } from '@cleocode/contracts';
import { readLines, socketAddress, writeLine } from './lines.ts';

type Line = Record<string, unknown>;
interface Asked {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** One connection to a broker: questions by number, answers in any order, and lines that nobody asked for. */
export class Link {
  readonly #address: string;
  readonly #socket: Socket;
  readonly #asked = new Map<number, Asked>();
  #count = 0;

  constructor(address: string, onEvent: (line: Line) => void) {
    this.#address = address;
    this.#socket = connect({ ...socketAddress(address), keepAlive: true, noDelay: true });
    this.#socket.on('error', () => {}); // Told to whoever waits, at 'close'.
    this.#socket.on('close', () => {
      for (const { reject } of this.#asked.values()) reject(this.#unreachable());
      this.#asked.clear();
    });
    readLines(this.#socket, (line) => {
      const asked = this.#asked.get(line.id as number);
      // Without a number it is an event; with one that is not waited for, an answer that came too late.
      if (line.id === undefined) onEvent(line);
      else if (line.error) asked?.reject(asError(line.error as Line));
      else asked?.resolve(line.result);
      this.#asked.delete(line.id as number);
    });
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** Resolves with the answer; after `signal` has aborted nobody waits for it any more. */
  ask(method: string, params: object, signal: AbortSignal): Promise<unknown> {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      signal.addEventListener('abort', () => this.#asked.delete(id), { once: true });
      if (!writeLine(this.#socket, { id, method, params })) reject(this.#unreachable());
    });
  }

  /** Resolves when the connection has ended; rejects when `signal` aborts. */
  async ended(signal: AbortSignal): Promise<void> {
    if (!this.#socket.closed) await once(this.#socket, 'close', { signal });
  }

  end(): void {
    this.#socket.destroy();
  }

  #unreachable(): CleoError {
    const { errored: cause } = this.#socket;
    return new CleoError(
      'E_TRANSPORT_UNREACHABLE',
      `socket: no connection to the broker at ${this.#address}`,
      {
        hint: 'Check the address, and that the broker runs.',
        retryable: true,
        ...(cause && { cause }),
      },
    );
  }
}

function asError({ code, message, retryable }: Line): CleoError {
  return new CleoError(String(code), String(message), { retryable: retryable === true });
}
