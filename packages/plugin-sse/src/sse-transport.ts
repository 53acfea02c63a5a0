import {
  CleoError,
  type ConduitMessage,
  errorText,
  type PollOptions,
  type PushOptions,
  type RequestOptions,
  type Transport,
  type TransportConnectConfig,
} from '@cleocode/contracts';
import { type CaughtUp, catchUp } from './catch-up.ts';
import { StreamIntake } from './intake.ts';
import { type StreamSettings, targetOf } from './settings.ts';
import { Subscribers } from './subscribers.ts';

/** The transport that gets a stream beside it, and how that is opened. */
export interface SseTransportOptions extends StreamSettings {
  /** Does all but receive: connected and disconnected with this one. */
  inner: Transport;
  /** How often subscribers are served by polling while there is no live stream, in milliseconds. Default 5,000. */
  pollIntervalMs?: number | undefined;
  /** The deadline of each such poll, in milliseconds. Default 10,000. */
  timeoutMs?: number | undefined;
  /** Hears what a subscriber throws, and once of each trouble with the stream. Default: a process warning. */
  onError?: ((error: unknown) => void) | undefined;
}

interface Connection {
  readonly config: TransportConnectConfig;
  readonly subscribers: Subscribers;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** How long connecting waits for the stream to be live, or to be known not to be. */
const CONNECT_WAIT_MS = 3_000;
const NOTHING: CaughtUp = { readAll: true, turnedAway: false };

/**
 * A transport that pushes: subscribers hear new messages by a stream, and by polling while there is none. Everything else is the
 * inner transport's, such as HttpTransport.
 */
export class SseTransport implements Transport {
  readonly name = 'sse';
  readonly fetchConversation: Transport['fetchConversation'];
  readonly heartbeat: Transport['heartbeat'];
  readonly setStatus: Transport['setStatus'];
  readonly isOnline: Transport['isOnline'];
  readonly rotateKey: Transport['rotateKey'];
  readonly verifyKey: Transport['verifyKey'];
  readonly serverTime: Transport['serverTime'];
  readonly #options: SseTransportOptions;
  readonly #inner: Transport;
  #connection: Connection | undefined;
  /** `connect` and `disconnect` one after another, however they are called. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: SseTransportOptions) {
    const { inner } = options;
    this.#options = options;
    this.#inner = inner;
    this.fetchConversation = inner.fetchConversation?.bind(inner);
    this.heartbeat = inner.heartbeat?.bind(inner);
    this.setStatus = inner.setStatus?.bind(inner);
    this.isOnline = inner.isOnline?.bind(inner);
    this.rotateKey = inner.rotateKey?.bind(inner);
    this.verifyKey = inner.verifyKey?.bind(inner);
    this.serverTime = inner.serverTime?.bind(inner);
  }

  /**
   * Resolves when the stream is live, or when it is known that it is not; it is opened as soon as it can be then. Connected in
   * the same way already, it changes nothing; in another, it disconnects first. Rejects with `E_TRANSPORT_ADDRESS`,
   * `E_TRANSPORT_INSECURE`, and with what the inner transport rejects with.
   */
  connect(config: TransportConnectConfig): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#connection && isSame(this.#connection.config, config)) return;
      const target = targetOf({ ...config, transport: this.#inner }, this.#options);
      await this.#close();
      await this.#inner.connect(config);
      const subscribers = new Subscribers((error) => this.#report(error));
      const { pollIntervalMs = 5_000, timeoutMs = 10_000 } = this.#options;
      const transport = this.#inner;
      const intake = new StreamIntake({
        target: () => target,
        inbox: subscribers,
        // While nobody listens, nothing is missed.
        catchUp: async (signal) =>
          subscribers.size === 0
            ? NOTHING
            : catchUp({ transport, inbox: subscribers, timeoutMs }, subscribers.cursor, signal),
        pollMs: pollIntervalMs,
        reporter: {
          failing: (error) => this.#report(error),
          unreadable: (error) => this.#report(error),
          recovered: () => {},
        },
      });
      const stop = new AbortController();
      const known = knownBy(intake);
      this.#connection = { config, subscribers, stop, ended: intake.run(stop.signal) };
      await known;
    });
  }

  disconnect(): Promise<void> {
    return this.#inTurn(() => this.#close());
  }

  push(
    to: string,
    content: string,
    options?: PushOptions,
  ): Promise<{ messageId: string; conversationId?: string }> {
    return this.#inner.push(to, content, options);
  }

  poll(options?: PollOptions): Promise<ConduitMessage[]> {
    return this.#inner.poll(options);
  }

  ack(messageIds: string[], options?: RequestOptions): Promise<void> {
    return this.#inner.ack(messageIds, options);
  }

  /**
   * Runs `handler` for each new message, in order, each once. While the stream is down messages are polled for; what was unread
   * when no message had come yet may be among them.
   */
  subscribe(handler: (message: ConduitMessage) => void): () => void {
    if (!this.#connection)
      throw new CleoError('E_TRANSPORT_NOT_CONNECTED', 'SseTransport not connected. Call connect() first.');
    return this.#connection.subscribers.add(handler);
  }

  async #close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    if (!connection) return;
    connection.subscribers.close();
    connection.stop.abort(new Error('disconnected'));
    await connection.ended;
    await this.#inner.disconnect();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {}); // Its caller hears of it.
    return done;
  }

  #report(error: unknown): void {
    const { onError = warn } = this.#options;
    try {
      onError(error);
    } catch (thrown) {
      warn(thrown);
    }
  }
}

/** Resolves when it is known whether the stream is live, or after a while. */
function knownBy(intake: StreamIntake): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      unlisten();
      resolve();
    };
    const timer = setTimeout(end, CONNECT_WAIT_MS);
    const unlisten = intake.onChange(end);
  });
}

function isSame(a: TransportConnectConfig, b: TransportConnectConfig): boolean {
  const same = a.agentId === b.agentId && a.apiBaseUrl === b.apiBaseUrl && a.sseEndpoint === b.sseEndpoint;
  // A live credential may change as it likes.
  return same && a.agent === b.agent && (a.agent !== undefined || a.apiKey === b.apiKey);
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : errorText(error));
}
