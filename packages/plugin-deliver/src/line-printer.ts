import type { Writable } from 'node:stream';
import { CleoError } from '@cleocode/contracts';

/** Writes whole lines to a stream that somebody may read slowly, or stop reading. */
export class LinePrinter {
  readonly #stream: Writable;
  /** The write's own callback reports the error; unheard, the stream's event would end the process. */
  readonly #ignore = () => {};

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', this.#ignore);
  }

  /** Resolves when the system has taken the line; rejects when nobody reads it any more, or with the signal's reason. */
  print(line: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const giveUp = () => reject(signal.reason);
      signal.addEventListener('abort', giveUp);
      this.#stream.write(`${line}\n`, (error) => {
        signal.removeEventListener('abort', giveUp);
        if (error) reject(closed(error));
        else resolve();
      });
    });
  }

  /** Lets go of the stream, which stays open. */
  close(): void {
    this.#stream.off('error', this.#ignore);
  }
}

function closed(cause: Error): CleoError {
  return new CleoError('E_STDOUT_CLOSED', `stdout: the line could not be written: ${cause.message}`, {
    hint: 'The program that reads the output has ended: start the agent with one that stays.',
    cause,
  });
}
