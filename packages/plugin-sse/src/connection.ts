import { asTransportError, type CleoError } from '@cleocode/contracts';
import { EventSource } from 'eventsource';
import { frameTooLarge, label, streamBuffered, streamEnded, streamSilent, unreachable } from './errors.ts';
import { type OpenedStream, openStream, type StreamRequest } from './open-stream.ts';
import { RetryField } from './retry-field.ts';
import { Watchdog, type WatchdogTimes } from './watchdog.ts';

/** An event of a stream, as it was sent. */
export interface StreamEvent {
  type: string;
  data: string;
  /** Given with this very event. */
  id: string | undefined;
  /** The id to go on after once this event is dealt with: its own, or that of one before it. */
  resumeId: string;
}

/** What happens on a connection. Nothing does after its end. */
export interface ConnectionListener {
  /** Bytes have come, whatever they are; before the events in them. */
  onBytes(): void;
  /** No bytes for a while, and they are not yet given up. */
  onQuiet(): void;
  onEvent(event: StreamEvent): void;
  /** The server names the wait before the next connection, in milliseconds. */
  onRetry(ms: number): void;
}

/** A server says something at once; at most half of the watchdog's time is waited for it. */
const FIRST_BYTES_MS = 5_000;
/**
 * Characters an event may have: one message of 1 MiB, of which JSON may write each character as six, and what is around it.
 */
const MAX_EVENT_CHARS = 8 * 1024 * 1024;
/** The source's decoder takes one away and its parser another: with this one first, the server's is taken once. */
const BOM = Buffer.from('\uFEFF');
/** The events anything is done about. The others are bytes, which is all they are sent for. */
const EVENTS = ['message', 'resync'];

/** One connection: asks for a stream and reads it to its end. */
export class Connection {
  readonly #request: StreamRequest;
  readonly #listener: ConnectionListener;
  readonly #open: typeof openStream;
  readonly #watchdog: Watchdog;
  readonly #ended = Promise.withResolvers<CleoError>();
  #times: WatchdogTimes;
  #firstBytes: NodeJS.Timeout | undefined;
  #stream: OpenedStream | undefined;
  #source: EventSource | undefined;
  #latestId = '';
  #over = false;

  /** `open` is there for tests. */
  constructor(
    request: StreamRequest,
    times: WatchdogTimes,
    listener: ConnectionListener,
    open: typeof openStream = openStream,
  ) {
    this.#request = request;
    this.#listener = listener;
    this.#times = times;
    this.#open = open;
    this.#watchdog = new Watchdog(times, {
      onQuiet: () => listener.onQuiet(),
      onSilent: () => this.#end(streamSilent(request.url, this.#times.silentMs)),
    });
  }

  /**
   * Resolves with the reason of its end, which is that of `signal` when it was aborted; never rejects. Nothing of it is left
   * then. To be called once.
   */
  async run(signal: AbortSignal): Promise<CleoError> {
    const onAbort = () => this.#fail(signal.reason);
    try {
      this.#stream = await this.#open(this.#request, signal);
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
      else this.#read(this.#stream);
      return await this.#ended.promise;
    } catch (error) {
      return asTransportError(error, label(this.#request.url));
    } finally {
      signal.removeEventListener('abort', onAbort);
      await this.#stream?.close();
    }
  }

  /** How long silence may last from now on. */
  setTimes(times: WatchdogTimes): void {
    this.#times = times;
    this.#watchdog.set(times);
  }

  #read({ body }: OpenedStream): void {
    const { url } = this.#request;
    const firstBytesMs = Math.min(FIRST_BYTES_MS, this.#times.silentMs / 2);
    this.#firstBytes = setTimeout(() => this.#end(streamBuffered(url, firstBytesMs)), firstBytesMs);
    const reader = this.#reader(body[Symbol.asyncIterator]());
    this.#source = new EventSource(url, {
      maxBufferSize: MAX_EVENT_CHARS,
      // What the answer had to be is seen to; and its own error would not say what came instead.
      fetch: async () => ({
        url: url.href,
        status: 200,
        redirected: false,
        headers: { get: () => 'text/event-stream' },
        body: { getReader: () => reader },
      }),
    });
    for (const type of EVENTS) this.#source.addEventListener(type, (event) => this.#onEvent(event));
    this.#source.addEventListener('error', (event) => {
      // A server may send an event of this name. Of its own, a source that reads has only this to complain about.
      if (!('data' in event)) this.#end(frameTooLarge(url, MAX_EVENT_CHARS));
    });
  }

  #reader(chunks: AsyncIterator<Uint8Array>) {
    const retryField = new RetryField((ms) => this.#listener.onRetry(ms));
    let begun = false;
    return {
      read: async () => {
        if (!begun) {
          begun = true;
          return { done: false as const, value: BOM };
        }
        try {
          const { done, value } = await chunks.next();
          if (done) this.#end(streamEnded(this.#request.url));
          else if (!this.#over) {
            this.#guard(() => {
              clearTimeout(this.#firstBytes);
              this.#watchdog.feed();
              retryField.feed(value);
              this.#listener.onBytes();
            });
            return { done: false as const, value };
          }
        } catch (error) {
          this.#end(unreachable(this.#request.url, error));
        }
        return { done: true as const };
      },
      cancel: async () => {},
    };
  }

  #onEvent(event: Event): void {
    const { type, data, lastEventId } = event as Event & { data: string; lastEventId: string };
    // It is the latest that was given, with this event or before it.
    const id = lastEventId === '' || lastEventId === this.#latestId ? undefined : lastEventId;
    this.#latestId = lastEventId;
    this.#guard(() => this.#listener.onEvent({ type, data, id, resumeId: lastEventId }));
  }

  /** What a listener throws ends the connection, and not the process. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#end(asTransportError(error, label(this.#request.url)));
  }

  #end(error: CleoError): void {
    this.#over = true;
    clearTimeout(this.#firstBytes);
    this.#watchdog.stop();
    // Before its reader learns of the end: a source that is closed waits for nothing and connects no more.
    this.#source?.close();
    void this.#stream?.close();
    this.#ended.resolve(error);
  }
}
