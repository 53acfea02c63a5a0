import type { Socket } from 'node:net';
import { type Direction, type Faults, swallows } from './faults.ts';
import { Flow } from './flow.ts';
import { resetSocket } from './reset-socket.ts';

/** A client's connection and the one to the target that stands for it. */
export class Link {
  /** Both sides are closed. */
  readonly closed: Promise<unknown>;
  readonly #sockets: readonly Socket[];
  readonly #flows: readonly Flow[];
  readonly #ended = new AbortController();

  constructor(client: Socket, upstream: Socket, faults: Faults, counts: Record<Direction, number>) {
    const flow = (direction: Direction, source: Socket, sink: Socket): Flow => {
      const made = new Flow({
        direction,
        source,
        sink,
        faults,
        signal: this.#ended.signal,
        passed: (bytes) => {
          counts[direction] += bytes;
        },
        reset: () => this.reset(),
      });
      // A side that is reset, or that cannot be reached, resets the other, unless that too is swallowed.
      source.on('error', () => (swallows(faults, direction) ? made.tear() : this.reset()));
      return made;
    };
    this.#sockets = [client, upstream];
    this.#flows = [flow('up', client, upstream), flow('down', upstream, client)];
    this.closed = Promise.all(this.#sockets.map((socket) => closing(socket))).then(() => this.#ended.abort());
  }

  reset(): void {
    this.#ended.abort();
    for (const socket of this.#sockets) resetSocket(socket);
  }

  /** Resets the connection when it lost something in a direction that is open now. */
  resetIfTorn(): void {
    if (this.#flows.some((flow) => flow.isTorn)) this.reset();
  }
}

function closing(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve));
}
