import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { withDeadline } from '@cleocode/contracts';
import type { Dock } from '../dock.ts';
import { Stream, type StreamContext } from './stream.ts';
import { heartbeatFrame, retryFrame } from './stream-frames.ts';

/** How many streams are asked at once whether they are still allowed, and how long each may take to answer. */
const CHECKS = 16;
const CHECK_MS = 5_000;
/** After a close the clients come back spread over this many times the retry hint. */
const SPREAD = 10;

export interface StreamsOptions {
  dock: Pick<Dock, 'peek' | 'getMessage' | 'onMessages'>;
  /** Milliseconds between the heartbeats of each stream. */
  heartbeatMs: number;
  /** How many missed messages `Last-Event-ID` brings back at most. Default 1,000. */
  replay?: number;
  /**
   * Once this many bytes wait for the client, nothing but the message being written is added: the stream reads on from the
   * file when the client has drained them. Default 1 MiB; Node's own buffer (64 KiB) is the least.
   */
  maxBufferedBytes?: number;
  /** How long the client may take to drain them before its stream is cut. Default 30,000 ms. */
  drainMs?: number;
  /** One stream more closes the agent's oldest. Default 8. */
  maxPerAgent?: number;
  /** How long clients are told to wait before they connect again, in milliseconds. Default 1,000. */
  retryMs?: number;
  /** Hears what failed and goes no further. */
  log?: (message: string, fields: { agentId: string; error: unknown }) => void;
  /** The clock of the heartbeats, in epoch milliseconds; for tests. */
  now?: () => number;
}

export interface StreamOptions {
  /** The header of that name: the id of the last message the client got. Empty is as good as none. */
  lastEventId?: string;
  /** Asked at each heartbeat; `false` ends the stream. A rejection is logged and counts as "yes, for now". */
  stillAllowed: () => Promise<boolean>;
}

/**
 * The open streams of a server. They are told apart by connection, so that a client may open its next one before it closes
 * the last. Nothing runs while none is open.
 */
export class Streams {
  readonly #context: StreamContext;
  readonly #heartbeatMs: number;
  readonly #maxPerAgent: number;
  readonly #now: () => number;
  /** The oldest of an agent first. */
  readonly #byAgent = new Map<string, Set<Stream>>();
  #heart: NodeJS.Timeout | undefined;
  #checking = false;
  #closing = false;
  #logged: unknown;

  constructor(options: StreamsOptions) {
    const { maxPerAgent = 8, now = Date.now, log = () => {} } = options;
    this.#heartbeatMs = options.heartbeatMs;
    this.#maxPerAgent = maxPerAgent;
    this.#now = now;
    this.#context = {
      dock: options.dock,
      replay: options.replay ?? 1_000,
      maxBufferedBytes: options.maxBufferedBytes ?? 1024 * 1024,
      drainMs: options.drainMs ?? 30_000,
      retryMs: options.retryMs ?? 1_000,
      left: (stream) => this.#remove(stream),
      log: (message, fields) => {
        // One failure of the storage reaches every stream.
        if (fields.error === this.#logged) return;
        this.#logged = fields.error;
        log(message, fields);
      },
    };
  }

  /**
   * Answers with the agent's messages from now on: `connected`, what came after `lastEventId` and is unread, then each
   * message as it is committed. When not all that was missed is sent, because it is too much or `lastEventId` is unknown, an
   * event `resync` says so, with the reason, and the client is to peek.
   *
   * The agent must have been authenticated. Headers that were set on the response are sent too. Throws before it has
   * answered anything when the dock is closed.
   */
  open(agentId: string, response: ServerResponse, options: StreamOptions): void {
    // It has said that it closes before anybody here listened, and will not say it again.
    if (response.destroyed) return;
    const stream = new Stream(this.#context, agentId, response, options);
    const streams = this.#byAgent.get(agentId) ?? new Set();
    this.#byAgent.set(agentId, streams.add(stream));
    this.#heart ??= setInterval(() => this.#beat(), this.#heartbeatMs);
    const [oldest] = streams;
    if (this.#closing) void stream.end(this.#hint());
    else if (streams.size > this.#maxPerAgent) void oldest!.end();
  }

  /** Who has a stream open. */
  status(): { connectedAgents: number; agentIds: string[] } {
    return { connectedAgents: this.#byAgent.size, agentIds: [...this.#byAgent.keys()].sort() };
  }

  /**
   * Ends every stream, with a hint when to come back, different for each. Resolves when all have taken it, at the latest
   * after a second. What is opened later is ended at once.
   */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#all().map((stream) => stream.end(this.#hint())));
  }

  #all(): Stream[] {
    return [...this.#byAgent.values()].flatMap((streams) => [...streams]);
  }

  #hint(): string {
    return retryFrame(this.#context.retryMs * (1 + Math.random() * (SPREAD - 1)));
  }

  #beat(): void {
    const frame = heartbeatFrame(this.#now());
    const streams = this.#all();
    for (const stream of streams) stream.heartbeat(frame);
    if (!this.#checking) void this.#check(streams);
  }

  /** Ends the streams that are no longer allowed. Never rejects. */
  async #check(streams: Stream[]): Promise<void> {
    this.#checking = true;
    let failure: { agentId: string; error: unknown } | undefined;
    for (let from = 0; from < streams.length; from += CHECKS) {
      const some = streams.slice(from, from + CHECKS).map(async (stream) => {
        try {
          const late = () => new Error(`no answer within ${CHECK_MS} ms`);
          if (!(await withDeadline(stream.stillAllowed(), CHECK_MS, late))) void stream.end();
        } catch (error) {
          failure ??= { agentId: stream.agentId, error };
        }
      });
      await Promise.all(some);
      await turn();
    }
    // One for all: they have failed for the same reason.
    if (failure) this.#context.log('Streams could not be checked and go on for now', failure);
    this.#checking = false;
  }

  #remove(stream: Stream): void {
    const streams = this.#byAgent.get(stream.agentId);
    streams?.delete(stream);
    if (streams?.size === 0) this.#byAgent.delete(stream.agentId);
    if (this.#byAgent.size > 0) return;
    clearInterval(this.#heart);
    this.#heart = undefined;
  }
}
