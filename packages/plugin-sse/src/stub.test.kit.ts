import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Secret } from '@cleocode/contracts';
import { onTestFinished, vi } from 'vitest';
import { Connection, type ConnectionListener, type StreamEvent } from './connection.ts';
import type { StreamRequest } from './open-stream.ts';
import type { WatchdogTimes } from './watchdog.ts';

export interface StubServer {
  url: string;
  /** What was asked of it, in order, with the time by the monotonic clock. */
  requests: { path: string; headers: IncomingMessage['headers']; at: number }[];
  /** Connections that are open. */
  open(): Promise<number>;
}

/** Answers one request; `n` counts from 1. */
export type Answer = (response: ServerResponse, request: IncomingMessage, n: number) => void;

/** A server on loopback that answers as it is told; closed after the test. */
export async function stubServer(answer: Answer): Promise<StubServer> {
  const requests: StubServer['requests'] = [];
  const server = createServer((request, response) => {
    requests.push({ path: request.url!, headers: request.headers, at: performance.now() });
    response.on('error', () => {}); // A client that is gone.
    answer(response, request, requests.length);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    await once(server.close(), 'close');
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    open: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
  };
}

export const STREAM = { 'content-type': 'text/event-stream' };

/** Begins a stream with these bytes. */
export function stream(response: ServerResponse, body: string | Uint8Array = ': hello\n\n'): void {
  response.writeHead(200, STREAM);
  response.write(body);
}

/** Polls for something that comes about within fifteen seconds, on a busy machine too. */
export function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { interval: 2 });
}

/** The request of an agent that may do everything. */
export function requestTo(url: string, request: Partial<StreamRequest> = {}): StreamRequest {
  return {
    url: new URL(url),
    agentId: 'bob',
    apiKey: new Secret('sk_test_0123456789abcdef0123456789abcdef'),
    authInQuery: false,
    lastEventId: undefined,
    ca: undefined,
    timeoutMs: 2_000,
    ...request,
  };
}

export const PATIENT: WatchdogTimes = { quietMs: 30_000, silentMs: 60_000 };

/** What happened on a connection. */
export class Recorder implements ConnectionListener {
  readonly events: StreamEvent[] = [];
  readonly retries: number[] = [];
  bytes = 0;
  quiets = 0;
  onBytes(): void {
    this.bytes += 1;
  }
  onQuiet(): void {
    this.quiets += 1;
  }
  onEvent(event: StreamEvent): void {
    this.events.push(event);
  }
  onRetry(ms: number): void {
    this.retries.push(ms);
  }
}

/** Reads a stream to its end. */
export async function readAll(url: string, times = PATIENT, request: Partial<StreamRequest> = {}) {
  const recorder = new Recorder();
  const error = await new Connection(requestTo(url, request), times, recorder).run(
    AbortSignal.timeout(10_000),
  );
  return { error, recorder };
}
