import {
  CleoError,
  type ConduitMessage,
  type PollOptions,
  type PushOptions,
  type RequestOptions,
  type Transport,
  type TransportConnectConfig,
} from '@cleocode/contracts';
import { Connection } from './connection.ts';

export interface SocketTransportOptions {
  /** The path of the broker's Unix socket, or `host:port`. */
  address: string;
  /** How long an answer may take, in milliseconds. Default 10,000. */
  timeoutMs?: number;
  /** Hears what a subscriber throws. Default: a process warning. */
  onError?: (error: unknown) => void;
}

type Handler = (message: ConduitMessage) => void;

/** Speaks to a broker in lines of JSON. */
export class SocketTransport implements Transport {
  readonly name = 'socket';
  readonly #options: Required<SocketTransportOptions>;
  readonly #handlers = new Set<Handler>();
  #connection: Connection | undefined;
  /** Ends the subscription. */
  #listening = new AbortController();
  /** `connect` and `disconnect` one after another, however they are called. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ timeoutMs = 10_000, onError = warn, ...options }: SocketTransportOptions) {
    this.#options = { ...options, timeoutMs, onError };
  }

  /** Connected as that agent already, it changes nothing; as another, it disconnects first. */
  connect(config: TransportConnectConfig): Promise<void> {
    return this.#inTurn(async () => {
      const { agentId, apiKey } = this.#connection?.config ?? {};
      if (agentId === config.agentId && apiKey === config.apiKey) return;
      this.#close();
      const connection = new Connection(config, this.#options, (message) => this.#heard(message));
      await connection.greet();
      this.#connection = connection;
    });
  }

  disconnect(): Promise<void> {
    return this.#inTurn(async () => this.#close());
  }

  async push(to: string, content: string, { signal, ...options }: PushOptions = {}) {
    const answer = await this.#connected().ask('push', { to, content, ...options }, signal);
    return answer as { messageId: string; conversationId: string };
  }

  async poll({ signal, ...options }: PollOptions = {}): Promise<ConduitMessage[]> {
    return (await this.#connected().ask('poll', options, signal)) as ConduitMessage[];
  }

  async ack(messageIds: string[], { signal }: RequestOptions = {}): Promise<void> {
    await this.#connected().ask('ack', { messageIds }, signal);
  }

  /** Runs `handler` for each new message, also for what came while there was no connection. */
  subscribe(handler: Handler): () => void {
    const connection = this.#connected();
    const own: Handler = (message) => handler(message); // the same one may subscribe twice
    this.#handlers.add(own);
    if (this.#handlers.size === 1) {
      this.#listening = new AbortController();
      void connection.keepSubscribed(this.#listening.signal);
    }
    return () => {
      if (this.#handlers.delete(own) && this.#handlers.size === 0) this.#listening.abort();
    };
  }

  #heard(message: ConduitMessage): void {
    // It may throw, or be asynchronous and reject: neither is the others' business.
    for (const handler of [...this.#handlers]) (async () => handler(message))().catch(this.#options.onError);
  }

  #connected(): Connection {
    if (this.#connection) return this.#connection;
    throw new CleoError('E_TRANSPORT_NOT_CONNECTED', 'SocketTransport not connected. Call connect() first.');
  }

  #close(): void {
    this.#handlers.clear();
    this.#listening.abort();
    this.#connection?.close();
    this.#connection = undefined;
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
