import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AgentPresence,
  CleoError,
  type ConduitMessage,
  type ConversationPage,
  errorText,
  type FetchConversationOptions,
  type PollOptions,
  type PresenceReport,
  type PushOptions,
  type RequestOptions,
  type Transport,
  type TransportConnectConfig,
  toConduitMessage,
} from '@cleocode/contracts';
import { resolveStateDir } from '@cleocode/kernel/define';
import { Connection } from './connection.ts';
import { within } from './within.ts';

const FILE_NAME = 'signaldock.db';

/** Which dock is used, and who hears of its trouble. */
export interface LocalTransportOptions {
  /** The dock's file. Default: `signaldock.db` in {@link dir}. */
  file?: string;
  /** The state folder. Default: `CLEO_DIR`, or the nearest `.cleo` from the working directory upwards. */
  dir?: string;
  /** Hears what a subscriber throws and why a subscription fails. Default: a process warning. */
  onError?: (error: unknown) => void;
}

/**
 * A transport over the embedded backend: a file, no server, no network. Whoever may read the file may speak as any agent
 * of it, so no key is asked for. Agents of one process share one connection; agents of other processes are heard within
 * about 20 ms.
 */
export class LocalTransport implements Transport {
  readonly name = 'local';
  readonly #options: LocalTransportOptions;
  #connection: Connection | undefined;
  /** `connect` and `disconnect` one after another, however they are called. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Whether there is an embedded backend for the working directory. */
  static isAvailable(cwd?: string): boolean {
    return existsSync(join(resolveStateDir(cwd), FILE_NAME));
  }

  constructor(options: LocalTransportOptions = {}) {
    this.#options = options;
  }

  /**
   * Opens the file, which must exist, as an agent, which must be registered in it. Connected as that agent already, it
   * changes nothing; as another, it disconnects first.
   */
  connect({ agentId }: Pick<TransportConnectConfig, 'agentId'>): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#connection?.agentId === agentId) return;
      await this.#close();
      this.#connection = await Connection.open(this.#file(), agentId, this.#options.onError ?? warn);
    });
  }

  disconnect(): Promise<void> {
    return this.#inTurn(() => this.#close());
  }

  async push(
    to: string,
    content: string,
    { conversationId, idempotencyKey, signal, ...more }: PushOptions = {},
  ): Promise<{ messageId: string; conversationId: string }> {
    const { dock, agentId } = this.#connected();
    const message = { content, replyTo: more.replyTo, metadata: more.metadata };
    const sent = await within(signal, () =>
      conversationId === undefined
        ? dock.send(agentId, to, message, { idempotencyKey })
        : dock.sendToConversation(agentId, conversationId, message, { idempotencyKey }),
    );
    return { messageId: sent.id, conversationId: sent.conversationId };
  }

  async poll({ signal, ...query }: PollOptions = {}): Promise<ConduitMessage[]> {
    const { dock, agentId } = this.#connected();
    return (await within(signal, () => dock.peek(agentId, query))).map(toConduitMessage);
  }

  async ack(messageIds: string[], { signal }: RequestOptions = {}): Promise<void> {
    const { dock, agentId } = this.#connected();
    await within(signal, () => dock.ack(agentId, messageIds));
  }

  /** Runs `handler` for each message that comes from now on, until it is unsubscribed or the transport disconnected. */
  subscribe(handler: (message: ConduitMessage) => unknown): () => void {
    return this.#connected().subscribe(handler);
  }

  async fetchConversation(
    conversationIds: readonly string[],
    { signal, ...query }: FetchConversationOptions = {},
  ): Promise<ConversationPage> {
    const { dock, agentId } = this.#connected();
    const page = await within(signal, () => dock.fetchConversations(agentId, conversationIds, query));
    return { ...page, messages: page.messages.map(toConduitMessage) };
  }

  async heartbeat(report: PresenceReport, { signal }: RequestOptions = {}): Promise<void> {
    const { dock, agentId } = this.#connected();
    await within(signal, () => dock.heartbeat(agentId, report));
  }

  async setStatus(report: PresenceReport, { signal }: RequestOptions = {}): Promise<void> {
    const { dock, agentId } = this.#connected();
    await within(signal, () => dock.setStatus(agentId, report));
  }

  async isOnline(agentId: string, { signal }: RequestOptions = {}): Promise<AgentPresence> {
    const { dock } = this.#connected();
    return within(signal, () => dock.presence(agentId));
  }

  async rotateKey({
    signal,
    ...options
  }: RequestOptions & {
    overlapSeconds?: number;
    keepUntilUsed?: boolean;
    idempotencyKey?: string;
  } = {}): Promise<{ apiKey: string; previousKeyExpiresAt: string }> {
    const { dock, agentId } = this.#connected();
    const { apiKey, previousKeyExpiresAt } = await within(signal, () => dock.rotateKey(agentId, options));
    return { apiKey, previousKeyExpiresAt };
  }

  async verifyKey(apiKey: string, { signal }: RequestOptions = {}): Promise<void> {
    const { dock, agentId } = this.#connected();
    await within(signal, () => dock.authenticate(agentId, apiKey));
  }

  #file(): string {
    return this.#options.file ?? join(this.#options.dir ?? resolveStateDir(), FILE_NAME);
  }

  #connected(): Connection {
    if (!this.#connection)
      throw new CleoError('E_TRANSPORT_NOT_CONNECTED', 'LocalTransport not connected. Call connect() first.');
    if (this.#connection.broken) throw this.#connection.broken;
    return this.#connection;
  }

  async #close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : errorText(error));
}
