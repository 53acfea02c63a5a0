import {
  createServer,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Socket } from 'node:net';
import { errorAnswer, type RefusalStatus, refusal } from './answer.ts';

export interface NodeServerOptions {
  /** https; otherwise http. */
  tls?: { key: string | Buffer; cert: string | Buffer } | undefined;
  /** Milliseconds a request may take to arrive; its headers a third of that. */
  requestTimeoutMs: number;
  /** Milliseconds after which a connection on which nothing goes either way is closed. */
  stallMs: number;
}

const MAX_CONNECTIONS = 4_096;
const MAX_HEADER_BYTES = 16 * 1024;
/** Clients are told, and close an idle connection earlier. */
const KEEP_ALIVE_MS = 65_000;
/** How long a client that was refused may take to read why. */
const LINGER_MS = 1_000;
const HEADERS = { 'Content-Type': 'application/json; charset=utf-8', Connection: 'close' };
const STATUS: Record<string, RefusalStatus> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
};

/** Node's server, with the bounds that keep one client from holding it up. What it refuses itself is answered as by a route. */
export function nodeServer(
  handler: RequestListener,
  { tls, requestTimeoutMs, stallMs }: NodeServerOptions,
): Server {
  const options = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: Math.ceil(requestTimeoutMs / 3),
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(1_000, Math.ceil(requestTimeoutMs / 10)),
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Refused by the gate, as every request that can be read.
    requireHostHeader: false,
  };
  const server = tls
    ? (createSecureServer({ ...options, ...tls }) as unknown as Server)
    : createServer(options);
  server.maxConnections = MAX_CONNECTIONS;
  // A client that does not take its answer would keep it in memory here.
  server.setTimeout(stallMs);
  const open = new OpenRequests();
  server.on('request', (request, response) => {
    open.add(response);
    handler(request, response);
  });
  server.on('checkExpectation', (_, response) => {
    const body = bodyOf(417);
    response.writeHead(417, { ...HEADERS, 'Content-Length': Buffer.byteLength(body) }).end(body);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket;
    if (open.mayAnswer(socket)) refuse(socket, STATUS[error.code ?? ''] ?? 400);
    else socket.destroy();
  });
  return server;
}

/** The requests that are not answered yet, by their connection. */
class OpenRequests {
  readonly #responses = new WeakMap<Socket, Set<ServerResponse>>();

  add(response: ServerResponse): void {
    const { socket } = response.req;
    const responses = this.#responses.get(socket) ?? new Set();
    this.#responses.set(socket, responses.add(response));
    response.once('close', () => responses.delete(response));
  }

  /** Whether an answer on the connection would be taken for the one to what has just failed, and not for another's. */
  mayAnswer(socket: Socket): boolean {
    const responses = [...(this.#responses.get(socket) ?? [])];
    return responses.length < 2 && responses.every(({ req, headersSent }) => !req.complete && !headersSent);
  }
}

/** Answers where there is no request to answer to. */
function refuse(socket: Socket, status: RefusalStatus): void {
  if (!socket.writable) return;
  const body = bodyOf(status);
  const head = Object.entries({ ...HEADERS, 'Content-Length': Buffer.byteLength(body) })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${body}`);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function bodyOf(status: RefusalStatus): string {
  return JSON.stringify(errorAnswer(refusal(status)).body);
}
