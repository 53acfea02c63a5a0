import { createHash, randomUUID } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, truncateSync, unlinkSync, writeSync } from 'node:fs';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { CleoError, type ConduitMessage, errorText, MAX_CONTENT_BYTES } from '@cleocode/contracts';
import { readLines, socketAddress, writeLine } from './lines.ts';

const DAY_MS = 24 * 60 * 60_000;
const MAX_METADATA = 64 * 1024;

interface Answer {
  messageId: string;
  conversationId: string;
}

/** What the log is made of, one line each: whatever is known was read from it, or has just been written to it. */
type Entry =
  | { is: 'agent'; agentId: string; keyHash: string }
  | { is: 'conversation'; id: string; members: string[] }
  | { is: 'ack'; agentId: string; messageIds: string[] }
  | {
      is: 'send';
      at: number;
      key?: string;
      answer: Answer;
      copies: { to: string; message: ConduitMessage }[];
    };

interface Push {
  to: string;
  content: string;
  conversationId?: string;
  replyTo?: string;
  idempotencyKey?: string;
  metadata?: Record<string, unknown>;
}

/** A backend in one file: agents, conversations, unread messages. All of it is in memory too, so keep it small. */
export class Broker {
  readonly #log: number;
  readonly #keys = new Map<string, string>();
  readonly #conversations = new Map<string, string[]>();
  readonly #unread = new Map<string, Map<string, ConduitMessage>>();
  readonly #seqs = new Map<string, number>();
  readonly #sent = new Map<string, { at: number; answer: Answer }>();
  readonly #sockets = new Set<Socket>();
  readonly #subscribed = new Map<Socket, string>();
  #server: Server | undefined;
  #seq = 0;

  constructor(file: string) {
    if (existsSync(file)) {
      const text = readFileSync(file);
      // A process that was killed may have left half a line.
      const whole = text.subarray(0, text.lastIndexOf('\n') + 1);
      truncateSync(file, whole.length);
      for (const line of whole.toString().split('\n')) if (line) this.#apply(JSON.parse(line));
    }
    this.#log = openSync(file, 'a', 0o600);
  }

  /** Listens on the path of a Unix socket, or on `host:port`; answers where. */
  async listen(address: string): Promise<string> {
    const where = socketAddress(address);
    // What a broker that was killed left behind is in the way; one that answers is not ours to remove.
    if ('path' in where && existsSync(address) && !(await answers(address))) unlinkSync(address);
    const server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(where, resolve));
    const bound = server.address();
    return typeof bound === 'object' && bound ? `${bound.address}:${bound.port}` : address;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined));
    closeSync(this.#log);
  }

  /** An agent belongs to the key that it first came with. */
  hello(agentId: string, apiKey: string): void {
    const keyHash = createHash('sha256').update(apiKey).digest('base64url');
    const known = this.#keys.get(agentId);
    if (known === undefined) this.#commit({ is: 'agent', agentId, keyHash });
    else if (known !== keyHash)
      throw new CleoError('E_AUTH_INVALID_TOKEN', `the key is not the one of "${agentId}"`);
  }

  group(members: readonly string[]): string {
    for (const member of members) this.#agent(member);
    const id = randomUUID();
    this.#commit({ is: 'conversation', id, members: [...members] });
    return id;
  }

  #serve(socket: Socket): void {
    let agentId: string | undefined;
    this.#sockets.add(socket);
    socket.on('error', () => {}); // told by 'close'
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#subscribed.delete(socket);
    });
    readLines(socket, ({ id, method, params }) => {
      try {
        // biome-ignore lint/suspicious/noExplicitAny: a toy: nobody but our own transport speaks to it
        const given = params as any;
        if (method === 'hello') {
          this.hello(String(given.agentId), String(given.apiKey));
          agentId = String(given.agentId);
        }
        if (agentId === undefined) throw new CleoError('E_AUTH_UNAUTHORIZED', 'say hello first');
        writeLine(socket, { id, result: this.#answer(agentId, String(method), given, socket) ?? null });
      } catch (error) {
        const { code, retryable } = CleoError.is(error)
          ? error
          : { code: 'E_BROKER_FAILED', retryable: true };
        writeLine(socket, { id, error: { code, message: errorText(error), retryable } });
      }
    });
  }

  // biome-ignore lint/suspicious/noExplicitAny: see above
  #answer(agentId: string, method: string, given: any, socket: Socket): unknown {
    switch (method) {
      case 'hello':
      case 'ping':
        return;
      case 'push':
        return this.#push(agentId, given);
      case 'poll':
        return this.#poll(agentId, given);
      case 'ack':
        return this.#ack(agentId, given.messageIds);
      case 'subscribe':
        return this.#subscribe(agentId, given.after, socket);
      case 'unsubscribe':
        return void this.#subscribed.delete(socket);
      default:
        throw new CleoError('E_VALIDATION_CONSTRAINT', `there is no "${method}"`);
    }
  }

  #push(from: string, { to, content, conversationId, replyTo, idempotencyKey, metadata }: Push): Answer {
    const key = idempotencyKey === undefined ? undefined : `${from} ${idempotencyKey}`;
    const earlier = key === undefined ? undefined : this.#sent.get(key);
    if (earlier && Date.now() - earlier.at < DAY_MS) return earlier.answer;
    if (Buffer.byteLength(content) > MAX_CONTENT_BYTES)
      throw new CleoError('E_VALIDATION_CONSTRAINT', `the text is longer than ${MAX_CONTENT_BYTES} bytes`);
    if (metadata && Buffer.byteLength(JSON.stringify(metadata)) > MAX_METADATA)
      throw new CleoError('E_VALIDATION_CONSTRAINT', `the metadata is longer than ${MAX_METADATA} bytes`);
    const threadId = conversationId ?? this.#between(from, to);
    const members = this.#conversations.get(threadId);
    if (!members) throw new CleoError('E_NOT_FOUND_CONVERSATION', `there is no conversation "${threadId}"`);
    if (!members.includes(from))
      throw new CleoError('E_AUTH_FORBIDDEN', `"${from}" is not in the conversation "${threadId}"`);
    const others = members.filter((member) => member !== from);
    const groupId = members.length > 2 ? { groupId: randomUUID() } : {};
    const timestamp = new Date().toISOString();
    const copies = others.map((other, index) => ({
      to: other,
      message: {
        id: randomUUID(),
        from,
        content: content.toWellFormed(),
        timestamp,
        threadId,
        ...groupId,
        seq: this.#seq + index + 1,
        ...(replyTo !== undefined && { replyTo }),
        ...(metadata && { metadata }),
      },
    }));
    const answer = { messageId: copies[0]!.message.id, conversationId: threadId };
    this.#commit({ is: 'send', at: Date.now(), ...(key !== undefined && { key }), answer, copies });
    for (const { to: other, message } of copies)
      for (const [socket, agentId] of this.#subscribed)
        if (agentId === other) writeLine(socket, { event: 'message', message });
    return answer;
  }

  /** A page ends early once it holds 1 MiB of text. */
  #poll(
    agentId: string,
    { limit = 50, since, afterSeq }: { limit?: number; since?: string; afterSeq?: number },
  ) {
    const after = afterSeq ?? this.#seqs.get(since ?? '') ?? -1;
    const page: ConduitMessage[] = [];
    let size = 0;
    for (const message of this.#unread.get(agentId)?.values() ?? []) {
      if (page.length >= Math.min(limit, 200) || size >= MAX_CONTENT_BYTES) break;
      if (message.seq! <= after) continue;
      page.push(message);
      size += Buffer.byteLength(message.content);
    }
    return page;
  }

  /** First a page of what came since `after`, for one that was away; then whatever comes. The rest is the poll's to find. */
  #subscribe(agentId: string, after: number | undefined, socket: Socket): { seq: number } {
    this.#subscribed.set(socket, agentId);
    if (after !== undefined)
      for (const message of this.#poll(agentId, { afterSeq: after }))
        writeLine(socket, { event: 'message', message });
    return { seq: this.#seq };
  }

  #ack(agentId: string, messageIds: string[]): void {
    const own = messageIds.filter((id) => this.#unread.get(agentId)?.has(id));
    if (own.length > 0) this.#commit({ is: 'ack', agentId, messageIds: own });
  }

  /** The conversation of two; no agent id holds a `~`. */
  #between(from: string, to: string): string {
    this.#agent(to);
    const members = [...new Set([from, to])].sort();
    const id = members.join('~');
    if (!this.#conversations.has(id)) this.#commit({ is: 'conversation', id, members });
    return id;
  }

  #agent(agentId: string): void {
    if (!this.#keys.has(agentId)) throw new CleoError('E_NOT_FOUND_AGENT', `there is no agent "${agentId}"`);
  }

  /** Durable once it is written: a crash of the broker loses nothing, a loss of power may. */
  #commit(entry: Entry): void {
    writeSync(this.#log, `${JSON.stringify(entry)}\n`);
    this.#apply(entry);
  }

  #apply(entry: Entry): void {
    if (entry.is === 'agent') {
      this.#keys.set(entry.agentId, entry.keyHash);
      this.#unread.set(entry.agentId, new Map());
    } else if (entry.is === 'conversation') this.#conversations.set(entry.id, entry.members);
    else if (entry.is === 'ack')
      for (const id of entry.messageIds) this.#unread.get(entry.agentId)?.delete(id);
    else {
      for (const { to, message } of entry.copies) {
        this.#unread.get(to)?.set(message.id, message);
        this.#seqs.set(message.id, message.seq!);
        this.#seq = message.seq!;
      }
      if (entry.key !== undefined) this.#sent.set(entry.key, entry);
    }
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(path, () => end(true));
    const end = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.on('error', () => end(false));
  });
}
