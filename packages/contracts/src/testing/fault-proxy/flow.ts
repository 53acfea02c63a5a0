import type { Socket } from 'node:net';
import { pause } from '../../timing.ts';
import { type Direction, type Faults, swallows } from './faults.ts';
import { resetSocket } from './reset-socket.ts';

/** More than this on its way in one direction, and its source is not read from. */
const MAX_QUEUED_BYTES = 1024 * 1024;
/** A throttled connection is fed as often as this. */
const SLICE_MS = 20;

interface FlowOptions {
  direction: Direction;
  source: Socket;
  sink: Socket;
  faults: Faults;
  /** The connection is over. */
  signal: AbortSignal;
  passed: (bytes: number) => void;
  /** Resets the whole connection. */
  reset: () => void;
}

/** One direction of a connection: what `source` says reaches `sink` as the faults of the moment let it. */
export class Flow {
  readonly #options: FlowOptions;
  /** In order; `undefined` is the end of the stream. */
  readonly #queue: { bytes: Buffer | undefined; dueAt: number }[] = [];
  #queued = 0;
  #passing = false;
  #torn = false;
  #freeAt = 0;
  #cut: { fault: Faults['cutAfter']; left: number } = { fault: undefined, left: 0 };

  constructor(options: FlowOptions) {
    this.#options = options;
    options.source.on('data', (bytes: Buffer) => this.#take(bytes));
    options.source.on('end', () => this.#take(undefined));
  }

  /** Something of it was swallowed, and nothing would be any more. */
  get isTorn(): boolean {
    return this.#torn && !swallows(this.#options.faults, this.#options.direction);
  }

  tear(): void {
    this.#torn = true;
  }

  #take(bytes: Buffer | undefined): void {
    const { source, faults } = this.#options;
    const { ms, jitterMs } = faults.latency ?? { ms: 0, jitterMs: 0 };
    this.#queue.push({ bytes, dueAt: performance.now() + ms + Math.random() * jitterMs });
    this.#queued += bytes?.length ?? 0;
    if (this.#queued >= MAX_QUEUED_BYTES) source.pause();
    if (!this.#passing) void this.#passAll();
  }

  /** Never rejects: a socket that fails has its own handler. */
  async #passAll(): Promise<void> {
    const { source, signal } = this.#options;
    this.#passing = true;
    for (let next = this.#queue.shift(); next && !signal.aborted; next = this.#queue.shift()) {
      await this.#until(next.dueAt);
      await (next.bytes ? this.#pass(next.bytes) : this.#end());
      this.#queued -= next.bytes?.length ?? 0;
      if (this.#queued < MAX_QUEUED_BYTES) source.resume();
    }
    this.#passing = false;
  }

  async #end(): Promise<void> {
    const { direction, sink, faults, signal } = this.#options;
    if (faults.slowClose) await pause(faults.slowClose, signal);
    if (swallows(faults, direction)) this.tear();
    else sink.end();
  }

  /** Piece by piece, each as the faults are when its turn has come. */
  async #pass(bytes: Buffer): Promise<void> {
    const { direction, sink, faults, signal, passed, reset } = this.#options;
    for (let rest = bytes; rest.length > 0 && !signal.aborted; ) {
      if (swallows(faults, direction)) return this.tear();
      if (direction === 'down' && faults.dropResponses) {
        faults.dropResponses -= 1;
        return reset();
      }
      const size = Math.min(rest.length, this.#slice(), this.#allowance());
      if (size > 0) {
        await this.#paced(size);
        const failure = await new Promise((written) => sink.write(rest.subarray(0, size), written));
        if (failure) return;
        passed(size);
        this.#cut.left -= size;
        rest = rest.subarray(size);
      }
      if (this.#allowance() === 0) return this.#cutOff();
    }
  }

  #cutOff(): void {
    const { source, sink } = this.#options;
    // The last bytes are on their way: a reset would overtake them.
    sink.destroySoon();
    resetSocket(source);
  }

  /** Waits until so many bytes may pass. */
  async #paced(size: number): Promise<void> {
    const { throttle } = this.#options.faults;
    if (!throttle) return;
    this.#freeAt = Math.max(this.#freeAt, performance.now()) + (size / throttle) * 1_000;
    await this.#until(this.#freeAt);
  }

  #slice(): number {
    const { throttle } = this.#options.faults;
    return throttle ? Math.max(1, Math.floor((throttle * SLICE_MS) / 1_000)) : Number.POSITIVE_INFINITY;
  }

  /** How many bytes may still pass before the connection is cut. */
  #allowance(): number {
    const { faults, direction } = this.#options;
    if (faults.cutAfter?.direction !== direction) return Number.POSITIVE_INFINITY;
    if (this.#cut.fault !== faults.cutAfter)
      this.#cut = { fault: faults.cutAfter, left: faults.cutAfter.bytes };
    return this.#cut.left;
  }

  async #until(at: number): Promise<void> {
    const { signal } = this.#options;
    for (let ms = at - performance.now(); ms > 0 && !signal.aborted; ms = at - performance.now())
      await pause(Math.ceil(ms), signal);
  }
}
