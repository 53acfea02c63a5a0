import { hash, randomUUID } from 'node:crypto';
import {
  type Agent,
  type AgentPresence,
  CleoError,
  type ConduitMessage,
  type ConversationPage,
  errorText,
  type FetchConversationOptions,
  MAX_CONTENT_BYTES,
  type PollOptions,
  type PresenceReport,
  type PushOptions,
  type RequestOptions,
  Secret,
  type Transport,
  toConduitMessage,
  WireError,
  wireMessageSchema,
} from '@cleocode/contracts';
import { z } from 'zod';
import { type Api, type Call, DONE, type Identity } from './api.ts';
import { type HttpConnectConfig, type HttpOptions, identityOf, openApi } from './open-api.ts';
import { agentPath, queryOf } from './paths.ts';
import { heartbeat, isOnline, setStatus } from './presence.ts';

/** How a backend is reached, and who hears of what it should not have sent. */
export interface HttpTransportOptions extends HttpOptions {
  /** Hears of a message that cannot even be named, and is left out. Default: a process warning. */
  onError?: ((error: unknown) => void) | undefined;
}

/** Message ids in one request. */
const ACK_CHUNK = 200;

const sentSchema = z
  .object({ message: z.object({ id: z.string().min(1), conversationId: z.string().optional() }) })
  .transform(({ message }) => message)
  .or(z.object({ id: z.string().min(1), conversationId: z.string().optional() }));
const pageSchema = z.object({ messages: z.array(z.unknown()) });
const scanSchema = pageSchema.extend({ cursor: z.int().nonnegative(), more: z.boolean() });
const keySchema = z.object({ apiKey: z.string().min(1), previousKeyExpiresAt: z.string().optional() });

/**
 * A transport over the SignalDock HTTP API. It connects without a request, so that an agent starts whether or not its
 * backend is up; each call then rejects until it is. Transports of one process to one backend share its connections.
 */
export class HttpTransport implements Transport {
  readonly name = 'http';
  readonly #options: HttpTransportOptions;
  #connection: Connection | undefined;
  #toldOfNameless = false;
  /** `connect` and `disconnect` one after another, however they are called. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: HttpTransportOptions = {}) {
    this.#options = options;
  }

  /**
   * Makes no request. Connected in the same way already, it changes nothing; in another, that ends. Rejects with
   * `E_TRANSPORT_ADDRESS` and `E_TRANSPORT_INSECURE`, and then nothing has changed.
   */
  connect({ agentId, apiBaseUrl, ...credential }: HttpConnectConfig): Promise<void> {
    return this.#inTurn(async () => {
      const connection = {
        agentId,
        apiBaseUrl,
        agent: credential.agent,
        identity: identityOf({ agentId, apiBaseUrl, ...credential }),
      };
      if (this.#connection && isSame(this.#connection, connection)) return;
      const api = await openApi(apiBaseUrl, connection.identity, this.#options);
      await this.#close();
      this.#connection = { ...connection, api };
    });
  }

  disconnect(): Promise<void> {
    return this.#inTurn(() => this.#close());
  }

  async push(
    to: string,
    content: string,
    { conversationId, idempotencyKey = randomUUID(), signal, replyTo, metadata }: PushOptions = {},
  ): Promise<{ messageId: string; conversationId?: string }> {
    return this.#run('push', signal, async ({ api }, call) => {
      checkSize(content);
      const { idempotentSend } = await api.features();
      const message = { content, replyTo, metadata };
      const { data } = await api.ask(
        {
          method: 'POST',
          ...(conversationId === undefined
            ? { path: '/messages', body: { toAgentId: to, ...message } }
            : { path: `/conversations/${encodeURIComponent(conversationId)}/messages`, body: message }),
          idempotencyKey: inHeader(idempotencyKey),
          repeatable: idempotentSend,
        },
        sentSchema,
        call,
      );
      const sentTo = data.conversationId ?? conversationId;
      return { messageId: data.id, ...(sentTo !== undefined && { conversationId: sentTo }) };
    });
  }

  async poll({ limit, afterSeq, since, signal }: PollOptions = {}): Promise<ConduitMessage[]> {
    return this.#run('poll', signal, async ({ api }, call) => {
      const { exactCursor } = await api.features();
      const query = queryOf({ limit, since, after_seq: exactCursor ? afterSeq : undefined });
      const { data } = await api.ask(
        { method: 'GET', path: `/messages/peek${query}`, use: 'read', page: true },
        pageSchema,
        call,
      );
      return this.#messages(data.messages);
    });
  }

  async ack(messageIds: string[], { signal }: RequestOptions = {}): Promise<void> {
    await this.#run('ack', signal, async ({ api }, call) => {
      for (let start = 0; start < messageIds.length; start += ACK_CHUNK)
        await api.ask(
          {
            method: 'POST',
            path: '/messages/ack',
            body: { messageIds: messageIds.slice(start, start + ACK_CHUNK) },
            repeatable: true,
          },
          DONE,
          call,
        );
    });
  }

  /** Rejects with `E_GROUPS_UNSUPPORTED` where the server cannot show several conversations in one page. */
  async fetchConversation(
    conversationIds: readonly string[],
    { afterSeq, limit, signal }: FetchConversationOptions = {},
  ): Promise<ConversationPage> {
    return this.#run('fetchConversation', signal, async ({ api }, call) => {
      if (conversationIds.length === 0) return { messages: [], cursor: afterSeq ?? 0, more: false };
      if (!(await api.features()).conversationScan) throw cannotScan();
      const query = queryOf({ ids: conversationIds.join(','), after_seq: afterSeq, limit });
      const { data } = await api.ask(
        { method: 'GET', path: `/conversations/messages${query}`, use: 'read', page: true },
        scanSchema,
        call,
      );
      return { ...data, messages: this.#messages(data.messages) };
    });
  }

  async heartbeat(report: PresenceReport, { signal }: RequestOptions = {}): Promise<void> {
    await this.#run('heartbeat', signal, ({ api, agentId }, call) => heartbeat(api, agentId, report, call));
  }

  async setStatus(report: PresenceReport, { signal }: RequestOptions = {}): Promise<void> {
    await this.#run('setStatus', signal, ({ api, agentId }, call) => setStatus(api, agentId, report, call));
  }

  async isOnline(agentId: string, { signal }: RequestOptions = {}): Promise<AgentPresence> {
    return this.#run('isOnline', signal, ({ api }, call) => isOnline(api, agentId, call));
  }

  /**
   * Where the server keeps the old key alive meanwhile, a repetition with the same `idempotencyKey` answers the same new key.
   * Elsewhere the old key dies with the answer. A request that fails is not sent again: whoever rotates does that, with the
   * same `idempotencyKey` and in its own time.
   */
  async rotateKey({
    signal,
    overlapSeconds,
    keepUntilUsed,
    idempotencyKey = randomUUID(),
  }: RequestOptions & {
    overlapSeconds?: number;
    keepUntilUsed?: boolean;
    idempotencyKey?: string;
  } = {}): Promise<{ apiKey: string; previousKeyExpiresAt?: string; issuedAt?: string }> {
    return this.#run('rotateKey', signal, async ({ api, agentId }, call) => {
      const { rotationOverlap, rotationUntilUsed } = await api.features();
      const { data } = await api.ask(
        {
          method: 'POST',
          path: agentPath(agentId, 'rotate-key'),
          idempotencyKey: inHeader(idempotencyKey),
          ...(rotationOverlap && {
            body: { overlapSeconds, ...(rotationUntilUsed && { keepUntilUsed }) },
          }),
          once: true,
        },
        keySchema,
        call,
      );
      const now = api.now();
      return { ...data, ...(now !== undefined && { issuedAt: new Date(now).toISOString() }) };
    });
  }

  /** Asks for the agent's own record. */
  async verifyKey(apiKey: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#run('verifyKey', signal, async ({ api, agentId }, call) => {
      await api.ask({ method: 'GET', path: agentPath(agentId), apiKey: new Secret(apiKey) }, DONE, call);
    });
  }

  serverTime(): number | undefined {
    return this.#connection?.api.now();
  }

  knock(): number {
    return this.#connection?.api.knock() ?? 0;
  }

  heard(): void {
    this.#connection?.api.heard();
  }

  #run<T>(
    what: string,
    signal: AbortSignal | undefined,
    work: (connection: Connection, call: Call) => Promise<T>,
  ): Promise<T> {
    const connection = this.#connection;
    if (!connection)
      throw new CleoError('E_TRANSPORT_NOT_CONNECTED', 'HttpTransport not connected. Call connect() first.');
    return connection.api.run(what, signal, (call) => work(connection, call));
  }

  /** Each on its own: one that is damaged must not keep the others from arriving. */
  #messages(page: readonly unknown[]): ConduitMessage[] {
    const messages = page.map((message) => {
      const wire = wireMessageSchema.safeParse(message);
      // With an id it can be set aside by name, which is for whoever receives it.
      return wire.success ? toConduitMessage(wire.data) : hasId(message) ? message : undefined;
    });
    const named = messages.filter((message) => message !== undefined);
    const nameless = page.length - named.length;
    if (nameless > 0 && !this.#toldOfNameless) (this.#options.onError ?? warn)(withoutId(nameless));
    this.#toldOfNameless = nameless > 0;
    return named;
  }

  async #close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.api.close();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {}); // Its caller hears of it.
    return done;
  }
}

interface Connection {
  readonly agentId: string;
  readonly apiBaseUrl: string;
  readonly agent: Agent | undefined;
  readonly identity: Identity;
  readonly api: Api;
}

function isSame(a: Connection, b: Omit<Connection, 'api'>): boolean {
  const same = a.agentId === b.agentId && a.apiBaseUrl === b.apiBaseUrl && a.agent === b.agent;
  // A live credential may change as it likes.
  return same && (a.agent !== undefined || a.identity.apiKey().reveal() === b.identity.apiKey().reveal());
}

function checkSize(content: string): void {
  const size = Buffer.byteLength(content);
  if (size <= MAX_CONTENT_BYTES) return;
  throw new WireError(
    'E_VALIDATION_CONSTRAINT',
    `content: ${size} bytes are too many, at most ${MAX_CONTENT_BYTES}`,
    { hint: 'Send it in parts.', details: { field: 'content' } },
  );
}

/** A key that a header can carry; one that it cannot becomes its hash, which is as good. */
function inHeader(key: string): string {
  return /^[\x21-\x7e]{1,255}$/.test(key) ? key : hash('sha256', key);
}

function hasId(message: unknown): message is ConduitMessage {
  const id = (message as { id?: unknown } | null | undefined)?.id;
  return typeof id === 'string' && id !== '';
}

function withoutId(count: number): CleoError {
  return new CleoError(
    'E_TRANSPORT_INVALID',
    `the backend shows ${count} message(s) without an id; they are left out`,
    {
      hint: 'Look at the backend: what has no id cannot be acknowledged.',
      details: { count },
    },
  );
}

function cannotScan(): CleoError {
  return new CleoError(
    'E_GROUPS_UNSUPPORTED',
    'this server cannot show what is new in several conversations',
    {
      hint: "The agent's own copies of group messages still arrive. To follow groups, use a server with conversationScan.",
    },
  );
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : errorText(error));
}
