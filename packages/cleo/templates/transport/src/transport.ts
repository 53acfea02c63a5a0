import {
  type Agent,
  CleoError,
  type ConduitMessage,
  callTransport,
  type PollOptions,
  type PushOptions,
  type RequestOptions,
  type Transport,
  type TransportConnectConfig,
} from '@cleocode/contracts';
import { type Backend, backendAt } from './backend.ts';

export interface TemplateTransportOptions {
  /** The deadline of each request, in milliseconds. Default 10,000. */
  timeoutMs?: number;
}

interface Connection {
  backend: Backend;
  agentId: string;
  apiKey: string;
  agent: Agent | undefined;
}

/** Carries the messages of one agent. It works without a kernel too. */
export class TemplateTransport implements Transport {
  readonly name = 'template';
  readonly #timeoutMs: number;
  #connection: Connection | undefined;

  constructor({ timeoutMs = 10_000 }: TemplateTransportOptions = {}) {
    this.#timeoutMs = timeoutMs;
  }

  async connect({ apiBaseUrl, agentId, apiKey, agent }: TransportConnectConfig): Promise<void> {
    this.#connection ??= { backend: backendAt(apiBaseUrl), agentId, apiKey, agent };
  }

  async disconnect(): Promise<void> {
    this.#connection = undefined;
  }

  push(
    to: string,
    content: string,
    { signal, ...options }: PushOptions = {},
  ): Promise<{ messageId: string; conversationId: string }> {
    return this.#ask('push', signal, (backend, key) => backend.send(key, { to, content, ...options }));
  }

  poll({ signal, ...options }: PollOptions = {}): Promise<ConduitMessage[]> {
    return this.#ask('poll', signal, (backend, key) => backend.unread(key, options));
  }

  ack(messageIds: string[], { signal }: RequestOptions = {}): Promise<void> {
    return this.#ask('ack', signal, (backend, key) => backend.markRead(key, messageIds));
  }

  /** One request, within its deadline: with the key as it is now, since a rotation may have changed it. */
  async #ask<T>(
    what: keyof Transport,
    signal: AbortSignal | undefined,
    request: (backend: Backend, key: string) => Promise<T>,
  ): Promise<T> {
    if (!this.#connection)
      throw new CleoError('E_TRANSPORT_NOT_CONNECTED', `${this.name}: ${what} came before connect`, {
        hint: 'Call connect first.',
      });
    const { backend, apiKey, agent } = this.#connection;
    // After the deadline it rejects as retryable, and the runtime tries again. An error is never an empty list.
    return callTransport(this, what, { timeoutMs: this.#timeoutMs, signal }, () =>
      request(backend, agent?.credential().apiKey.reveal() ?? apiKey),
    );
  }
}
