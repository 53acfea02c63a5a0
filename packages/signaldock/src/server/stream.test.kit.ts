import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WireMessage } from '@cleocode/contracts';
import { onTestFinished, vi } from 'vitest';
import type { Dock } from '../dock.ts';
import { Streams, type StreamsOptions } from './streams.ts';

/** Long enough that no heartbeat comes up in a test that does not ask for one. */
const QUIET_MS = 60_000;

export interface ServerEvent {
  event?: string;
  id?: string;
  retry?: string;
  data?: Record<string, unknown>;
}

export interface ConnectOptions {
  lastEventId?: string;
  stillAllowed?: () => Promise<boolean>;
  /** Do not read until told to. */
  paused?: boolean;
}

/** Polls for something that comes about within five seconds. */
export function until(condition: () => boolean): Promise<unknown> {
  return vi.waitUntil(condition, { interval: 5 });
}

/** Sends to bob, all at once; the answer is in the order of `seq`. */
export async function send(dock: Dock, count: number, content = 'x'): Promise<WireMessage[]> {
  const sends = Array.from({ length: count }, () => dock.send('alice', 'bob', { content }));
  return (await Promise.all(sends)).sort((a, b) => a.seq! - b.seq!);
}

/** Fills what lies between a stream and its client, who does not read, with a comment. */
export function clog(response: ServerResponse): void {
  response.write(`:${'x'.repeat(32 * 1024 * 1024)}\n\n`);
}

export const idsOf = (messages: WireMessage[]) => messages.map(({ id }) => id);

export const resyncs = (client: Client) => client.named('resync').map(({ data }) => data);

/** A server on loopback that opens a stream for whoever asks, without any authentication. */
export async function serveStreams(dock: Dock, options: Partial<StreamsOptions> = {}) {
  const streams = new Streams({ dock, heartbeatMs: QUIET_MS, ...options });
  /** Of all connections, in the order they were opened. */
  const responses: ServerResponse[] = [];
  const asked: ConnectOptions[] = [];
  const server = createServer((_, response) => {
    const { lastEventId, stillAllowed = async () => true } = asked[responses.push(response) - 1]!;
    streams.open('bob', response, { ...(lastEventId !== undefined && { lastEventId }), stillAllowed });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(async () => {
    await streams.close();
    server.closeAllConnections();
    await once(server.close(), 'close');
  });
  const { port } = server.address() as AddressInfo;
  return {
    streams,
    responses,
    /** Opens a stream of bob and waits until it says so, if it reads. */
    async connect(options: ConnectOptions = {}): Promise<Client> {
      asked.push(options);
      const [response] = await once(request({ port, host: '127.0.0.1', agent: false }).end(), 'response');
      const client = new Client(response);
      if (options.paused) response.pause();
      else await until(() => client.events.length > 0);
      return client;
    },
  };
}

/** Reads the bytes of a stream. */
export class Client {
  readonly response: IncomingMessage;
  readonly events: ServerEvent[] = [];
  /** The server has ended the stream as it should. */
  ended = false;
  /** The stream is over, in whatever way. */
  closed = false;
  #rest = '';

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.#take(text));
    response.on('end', () => {
      this.ended = true;
    });
    response.on('close', () => {
      this.closed = true;
    });
    // What a cut connection looks like to a client; `closed` tells of it.
    response.on('error', () => {});
  }

  named(event: string): ServerEvent[] {
    return this.events.filter((one) => one.event === event);
  }

  /** The ids of the messages it got. */
  ids(): (string | undefined)[] {
    return this.named('message').map(({ id }) => id);
  }

  #take(text: string): void {
    this.#rest += text;
    // A long frame would otherwise be searched again with each of its parts.
    if (!text.includes('\n')) return;
    const frames = this.#rest.split('\n\n');
    this.#rest = frames.pop()!;
    for (const one of frames) if (!one.startsWith(':')) this.events.push(parse(one));
  }
}

function parse(frame: string): ServerEvent {
  const fields = frame.split('\n').map((line) => {
    const [, name, value] = /^(\w+): (.*)$/.exec(line)!;
    return [name, name === 'data' ? JSON.parse(value!) : value];
  });
  return Object.fromEntries(fields);
}
