import { execFileSync } from 'node:child_process';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';

export interface Received {
  method: string;
  /** Path and query. */
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** A status, or what plays with the bare response. */
export type Answer = number | ((received: Received, response: ServerResponse) => unknown);

export interface Receiver {
  url: string;
  received: Received[];
  /** Connections open now. */
  open(): number;
  /** Connections ever taken. */
  connections: number;
}

/** A receiver of webhooks on this machine: each request gets the next answer, the last one again and again. */
export async function receiver(...answers: Answer[]): Promise<Receiver> {
  const server = createServer(async (request, response) => {
    const { method = '', url: path = '', headers } = request;
    const received = { method, path, headers, body: await buffer(request).catch(() => Buffer.alloc(0)) };
    made.received.push(received);
    const answer = answers[Math.min(made.received.length, answers.length) - 1] ?? 200;
    if (typeof answer === 'number') response.writeHead(answer).end();
    else answer(received, response);
  });
  const made: Receiver = { url: '', received: [], connections: 0, open: () => sockets.size };
  server.on('connection', () => {
    made.connections += 1;
  });
  const sockets = untilTestEnds(server);
  made.url = `${await listening(server)}/hook`;
  return made;
}

/** A server whose certificate no public authority has signed. */
export async function selfSignedReceiver(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'cleo-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, ...name], {
    stdio: 'ignore',
  });
  const server = createSecureServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) =>
    response.end(),
  );
  untilTestEnds(server);
  return (await listening(server)).replace('http:', 'https:');
}

/** A server that speaks no HTTP of its own. */
export async function rawReceiver(talk: (socket: Socket, request: string) => void): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {}); // A client that gave up.
    socket.on('data', (chunk) => talk(socket, chunk.toString()));
  });
  untilTestEnds(server);
  return listening(server);
}

/** Where nobody listens any more. */
export async function unusedUrl(): Promise<string> {
  const server = createTcpServer();
  const url = await listening(server);
  server.close();
  await once(server, 'close');
  return url;
}

export function says(type: string | undefined, body: string | Buffer, status = 200): Answer {
  return (_, response) => response.writeHead(status, { ...(type && { 'content-type': type }) }).end(body);
}

/** What the record asks of a receiver: the signature over body and timestamp, and a timestamp of the last five minutes. */
export function isSigned({ headers, body }: Received, secret: string): boolean {
  const timestamp = String(headers['x-signaldock-timestamp']);
  if (Math.abs(Date.now() / 1_000 - Number(timestamp)) > 300) return false;
  const expected = createHmac('sha256', secret)
    .update(Buffer.concat([body, Buffer.from(timestamp)]))
    .digest();
  const [scheme, hex = ''] = String(headers['x-signaldock-signature']).split('=');
  const given = Buffer.from(hex, 'hex');
  return scheme === 'sha256' && given.length === expected.length && timingSafeEqual(given, expected);
}

function untilTestEnds(server: Server): Set<Socket> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return sockets;
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
