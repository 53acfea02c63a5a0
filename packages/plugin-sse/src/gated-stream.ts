import type { CleoError } from '@cleocode/contracts';
import type { StreamEvent } from './connection.ts';
import { readFrame } from './frame.ts';
import { type Arrival, Gate } from './gate.ts';
import { Stream, type StreamListener, type StreamTarget } from './stream.ts';

export interface GatedStreamListener {
  /** Asked for each connection: the id after which the server is to go on. */
  resumeId(): string | undefined;
  /** These may be handed over, in this order. */
  onMessages(arrivals: readonly Arrival[]): void;
  /** The first bytes of a connection have come. Its messages wait for a catch-up that begins after now. */
  onUp(): void;
  /** The stream is behind: its messages wait for a catch-up that begins after now. */
  onBehind(): void;
  /** An event could not be read; `first`: of its connection. */
  onUnreadable(fault: string, first: boolean): void;
  /** Bytes have come; before anything is made of them. */
  onAlive(): void;
  /** It was quiet and is not any more, or the other way round. */
  onQuiet(): void;
  /** The connection ended, or none came about. The next follows in `retryInMs` milliseconds, or earlier. */
  onDown(error: CleoError, retryInMs: number): void;
}

/** A stream whose messages wait until what was sent before them has been fetched. */
export class GatedStream {
  readonly stream: Stream;
  readonly #listener: GatedStreamListener;
  readonly #gate: Gate;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #quiet = false;
  #caughtUp = false;
  #unreadable = 0;

  /** Begins to connect. */
  constructor(target: StreamTarget, listener: GatedStreamListener, random?: () => number) {
    this.#listener = listener;
    this.#gate = new Gate((arrivals) => listener.onMessages(arrivals));
    const own: StreamListener = {
      resumeId: () => listener.resumeId(),
      onUp: () => listener.onUp(),
      onAlive: () => {
        listener.onAlive();
        this.#setQuiet(false);
      },
      onQuiet: () => this.#setQuiet(true),
      onEvent: (event) => this.#onEvent(event),
      onDown: (error, retryInMs) => this.#onDown(error, retryInMs),
    };
    this.stream = new Stream(target, own, random);
    this.#running = this.stream.run(this.#stop.signal);
  }

  /** The connection is there and everything from before it was fetched. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  /** Nothing has come for a while. */
  get quiet(): boolean {
    return this.#quiet;
  }

  catchUpBegins(): void {
    if (this.stream.up) this.#gate.catchUpBegins();
  }

  /** The catch-up that began last has read everything. */
  catchUpEnds(): void {
    if (this.#gate.caughtUp()) this.#caughtUp = true;
  }

  /** Resolves when nothing of it is left. It tells nothing more. */
  stop(): Promise<void> {
    this.#stop.abort(new Error('the stream is no longer wanted'));
    return this.#running;
  }

  #onEvent(event: StreamEvent): void {
    const frame = readFrame(event);
    if (frame.kind === 'alive') return;
    if (frame.kind === 'message') {
      if (this.#gate.arrive({ message: frame.message, resumeId: event.resumeId })) this.#listener.onBehind();
      return;
    }
    this.#gate.shut();
    if (frame.fault !== undefined) {
      this.#unreadable += 1;
      this.#listener.onUnreadable(frame.fault, this.#unreadable === 1);
    }
    this.#listener.onBehind();
  }

  #setQuiet(quiet: boolean): void {
    if (quiet === this.#quiet) return;
    this.#quiet = quiet;
    this.#listener.onQuiet();
  }

  #onDown(error: CleoError, retryInMs: number): void {
    this.#gate.shut();
    this.#quiet = false;
    this.#caughtUp = false;
    this.#unreadable = 0;
    this.#listener.onDown(error, retryInMs);
  }
}
