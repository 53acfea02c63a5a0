import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';

export interface Received {
  method: string;
  /** Path and query. */
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** What a stub answers with: a status, `data` in an envelope, or the bare response to play with. */
export type Answer = (request: Received, response: ServerResponse) => unknown;

export interface Stub {
  url: string;
  /** What was received, without the health checks. */
  received: Received[];
  /** Health checks received. */
  healthChecks: number;
  /** Connections open now. */
  open(): number;
  /** Connections ever taken. */
  connections: number;
  answer: Answer;
  /** What `GET /health` announces: nothing on a server of the record. `null`: there is no such route. */
  features: Record<string, unknown> | undefined | null;
}

/** What our own server announces. */
export const ALL_FEATURES = {
  rotationOverlap: true,
  idempotentSend: true,
  exactCursor: true,
  conversationScan: true,
  fencedPresence: true,
};

/**
 * A server of which a test decides each answer. An object is `data` in an envelope, a number an HTTP status with an empty
 * envelope of an error; `undefined` means that the answer was given, or that none comes.
 */
export async function stub(answer: Answer = () => ({ messages: [] })): Promise<Stub> {
  const sockets = new Set<Socket>();
  const server = createServer(async (request, response) => {
    const { method = '', url: path = '', headers } = request;
    const received = { method, path, headers, body: await text(request).catch(() => '') };
    if (path.endsWith('/health')) {
      made.healthChecks += 1;
      if (made.features === null) return json(response, 404, failure(404));
      return json(response, 200, { status: 'ok', ...(made.features && { features: made.features }) });
    }
    made.received.push(received);
    const given = await made.answer(received, response);
    if (typeof given === 'number') json(response, given, failure(given));
    else if (given !== undefined) json(response, 200, { success: true, data: given });
  });
  server.on('connection', (socket) => {
    made.connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const made: Stub = {
    url: await listening(server),
    received: [],
    healthChecks: 0,
    connections: 0,
    open: () => sockets.size,
    answer,
    features: ALL_FEATURES,
  };
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return made;
}

/** A server that speaks no HTTP of its own: `talk` gets the socket when the first bytes of a request have come. */
export async function rawServer(talk: (socket: Socket, request: string) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}); // A client that gave up.
    socket.on('data', (chunk) => talk(socket, chunk.toString()));
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return listening(server);
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** A message as the wire carries it. */
export function wireMessage(seq: number, more: Record<string, unknown> = {}) {
  return {
    id: `m${seq}`,
    conversationId: 'c',
    fromAgentId: 'bob',
    toAgentId: 'alice',
    content: `${seq}`,
    contentType: 'text',
    status: 'pending',
    createdAt: '2026-01-01T00:00:00Z',
    seq,
    ...more,
  };
}

function failure(status: number) {
  const code = status === 503 ? 'E_INTERNAL_SERVICE' : `E_STATUS_${status}`;
  return { success: false, error: { code, message: `stub says ${status}` } };
}

async function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
