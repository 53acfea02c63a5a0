import { type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { errorAnswer, type RefusalStatus, refusal } from './answer.ts';

/** How long a client that was refused may take to read why. */
const LINGER_MS = 1_000;
const STATUS: Record<string, RefusalStatus> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
};

/** Answers what Node refuses before it is a request, then closes the connection. */
export class ClientErrors {
  /** Connections with requests that are still being answered: another answer would be taken for theirs. */
  readonly #busy = new WeakMap<Socket, number>();

  watch(server: Server): void {
    server.prependListener('request', ({ socket }, response) => {
      this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
      response.once('close', () => this.#busy.set(socket, this.#busy.get(socket)! - 1));
    });
    server.on('checkExpectation', ({ socket }) => this.#refuse(socket, 417));
  }

  readonly onError = (error: NodeJS.ErrnoException, socket: Socket): void => {
    if (this.#busy.get(socket) || error.code === 'ECONNRESET') socket.destroy();
    else this.#refuse(socket, STATUS[error.code ?? ''] ?? 400);
  };

  #refuse(socket: Socket, status: RefusalStatus): void {
    if (!socket.writable) return;
    const body = JSON.stringify(errorAnswer(refusal(status)).body);
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ];
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }
}
