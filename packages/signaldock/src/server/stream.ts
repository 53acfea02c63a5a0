import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { CleoError, type WireMessage, withDeadline } from '@cleocode/contracts';
import type { Dock } from '../dock.ts';
import { connectedFrame, messageFrame, type ResyncReason, resyncFrame, retryFrame } from './stream-frames.ts';

/** How many messages one read of a replay takes: small, because what does not fit the socket is read again. */
const PAGE = 20;
/** How long an ended stream may take to say its last words. */
const LINGER_MS = 1_000;
const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

/** What all streams of a server have in common. */
export interface StreamContext {
  dock: Pick<Dock, 'peek' | 'getMessage' | 'onMessages'>;
  replay: number;
  maxBufferedBytes: number;
  drainMs: number;
  retryMs: number;
  log: (message: string, fields: { agentId: string; error: unknown }) => void;
  /** The stream is over, whoever ended it. Runs once. */
  left(stream: Stream): void;
}

/**
 * One open `GET /messages/stream`. Messages go out in `seq` order, each once, and nothing is marked as delivered: what was
 * written to a dying connection is still unread, and found by peek and poll.
 *
 * The file is the only buffer. A live message is written at once while the socket takes it; otherwise, and during a replay,
 * the stream reads its messages from the file, page by page, as the client drains them.
 */
export class Stream {
  readonly agentId: string;
  readonly stillAllowed: () => Promise<boolean>;
  readonly #context: StreamContext;
  readonly #response: ServerResponse;
  readonly #unsubscribe: () => void;
  #gone = false;
  /** The highest `seq` it has sent. */
  #sent = 0;
  /** The `seq` after which it goes on; `undefined` when that is wherever the next message is. */
  #cursor: number | undefined;
  /** The `seq` of the first message that came after the stream was opened. */
  #live: number | undefined;
  /** There while the stream reads from the file; aborts what it waits for. */
  #reading: AbortController | undefined;
  /** Something beyond the cursor may stand in the file, and the cursor is known. */
  #more = false;
  /** A message may have been lost to a failure; the client is to be told when the storage works again. */
  #doubtful = false;

  /** Throws, before anything is answered, when the dock refuses the agent or is closed. */
  constructor(
    context: StreamContext,
    agentId: string,
    response: ServerResponse,
    options: { lastEventId?: string; stillAllowed: () => Promise<boolean> },
  ) {
    this.agentId = agentId;
    this.stillAllowed = options.stillAllowed;
    this.#context = context;
    this.#response = response;
    this.#unsubscribe = context.dock.onMessages(
      agentId,
      (message) => this.#push(message),
      (error) => this.#onError(error),
    );
    response.once('close', () => this.#leave());
    response.writeHead(200, HEADERS);
    response.write(connectedFrame(agentId) + retryFrame(context.retryMs));
    if (options.lastEventId) void this.#read(options.lastEventId);
  }

  /** Says that the stream is alive, or begins the deadline of a client that would not hear it. */
  heartbeat(frame: Buffer): void {
    if (this.#isFull()) return void this.#read();
    this.#settleDoubt();
    this.#write(frame);
  }

  /** Writes the last words and ends. Resolves once the connection has taken them or was cut after a second. */
  async end(lastWords = ''): Promise<void> {
    if (this.#gone) return;
    this.#leave();
    try {
      const closed = once(this.#response, 'close');
      this.#response.end(lastWords);
      await withDeadline(closed, LINGER_MS, () => new Error('the client does not read'));
    } catch {
      // It does not read or is gone already: either way there is nobody to tell.
      this.#response.destroy();
    }
  }

  #push(message: WireMessage): void {
    const seq = message.seq!;
    // A read of the file may see what another process commits before this hears of it.
    if (seq <= this.#sent) return;
    this.#live ??= seq;
    this.#cursor ??= seq - 1;
    if (!this.#reading && !this.#isFull()) {
      this.#settleDoubt();
      this.#send(message);
      return;
    }
    this.#more = true;
    void this.#read();
  }

  /** Sends from the file what came after `lastEventId`, or is beyond the cursor, until live messages can follow. Never rejects. */
  async #read(lastEventId?: string): Promise<void> {
    if (this.#reading) return;
    const { dock, replay } = this.#context;
    const reading = new AbortController();
    this.#reading = reading;
    try {
      if (lastEventId !== undefined) await this.#seek(lastEventId);
      let replayed = 0;
      for (;;) {
        await this.#room(reading.signal);
        if (!this.#more) break;
        // Cleared before the read: what is committed during it may not be part of it.
        this.#more = false;
        const page = await dock.peek(this.agentId, { afterSeq: this.#cursor!, limit: PAGE });
        if (page.length > 0) this.#more = true;
        for (const message of page) {
          if (this.#isFull()) break;
          const missed = this.#live === undefined || message.seq! < this.#live;
          if (missed && replayed++ === replay) {
            this.#leaveMissed('replay_limit');
            break;
          }
          this.#send(message);
        }
      }
      this.#reading = undefined;
    } catch (error) {
      if (this.#gone) return;
      this.#log('A stream was cut: what is unread could not be sent', error);
      // The client comes back with the id of what it got last, and the replay goes on there.
      this.#response.destroy();
      this.#leave();
    }
  }

  /** Puts the cursor on the message the client got last. */
  async #seek(lastEventId: string): Promise<void> {
    try {
      this.#cursor = (await this.#context.dock.getMessage(this.agentId, lastEventId)).seq!;
      this.#more = true;
    } catch (error) {
      if (!CleoError.is(error, 'E_NOT_FOUND_MESSAGE')) throw error;
      this.#leaveMissed('unknown_id');
    }
  }

  /** Leaves what was missed to a peek of the client, and goes on with what came since the stream was opened. */
  #leaveMissed(reason: ResyncReason): void {
    this.#write(resyncFrame(reason));
    this.#more = this.#live !== undefined;
    this.#cursor = this.#live && this.#live - 1;
  }

  #send(message: WireMessage): void {
    this.#sent = message.seq!;
    this.#cursor = this.#sent;
    this.#write(messageFrame(message));
  }

  /** Not after the last words: Node takes that for an error. */
  #write(frame: string | Buffer): void {
    if (!this.#gone) this.#response.write(frame);
  }

  #isFull(): boolean {
    const { writableNeedDrain, writableLength } = this.#response;
    return writableNeedDrain && writableLength > this.#context.maxBufferedBytes;
  }

  /** Resolves when the socket takes more, and not before other work had its turn. */
  async #room(signal: AbortSignal): Promise<void> {
    await turn(undefined, { signal });
    if (!this.#isFull()) return;
    const { drainMs } = this.#context;
    const slow = () => new Error(`the client has not read what waits for it within ${drainMs} ms`);
    await withDeadline(once(this.#response, 'drain', { signal }), drainMs, slow, signal);
  }

  #onError(error: unknown): void {
    // A failure that lasts comes again and again; until the client was told, once is enough.
    if (!this.#doubtful) this.#log('New messages could not be read', error);
    this.#doubtful = true;
    if (CleoError.is(error, 'E_STORAGE_REPLACED')) void this.end();
  }

  #settleDoubt(): void {
    if (!this.#doubtful) return;
    this.#doubtful = false;
    this.#write(resyncFrame('storage_failed'));
  }

  #log(message: string, error: unknown): void {
    this.#context.log(message, { agentId: this.agentId, error });
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#unsubscribe();
    this.#reading?.abort();
    this.#context.left(this);
  }
}
