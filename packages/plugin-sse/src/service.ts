import type { CleoError, Problem, Realtime, RealtimeState, Transport } from '@cleocode/contracts';
import { Acks } from './acks.ts';
import { catchUp } from './catch-up.ts';
import { asCleoError, unusable } from './errors.ts';
import { HandlerInbox, type MessageHandler } from './handler-inbox.ts';
import { StreamIntake, type StreamStatus } from './intake.ts';
import type { ResumeStore } from './resume-point.ts';
import { type StreamAddress, type StreamSettings, targetOf } from './settings.ts';
import { StateListeners } from './state-listeners.ts';

export interface SseConnectionOptions extends StreamAddress, StreamSettings {
  /** Connected already; the service neither connects nor disconnects it. It polls and acks. */
  transport: Transport;
  /** How often to poll while the stream is not live, in milliseconds. Default 5,000. */
  pollIntervalMs?: number;
  /** The deadline of each request of the transport, in milliseconds. Default 10,000. */
  timeoutMs?: number;
  /** A handler's deadline, in milliseconds. Default 300,000. */
  handlerTimeoutMs?: number;
  /** How often a message is tried before it is given up. Default 5. */
  maxAttempts?: number;
  /** The wait before the second attempt, in milliseconds; doubles up to a minute. Default 1,000. */
  retryDelayMs?: number;
  /** Keeps the id to go on after beyond the process. */
  resume?: ResumeStore;
  /** Hears of each failed handler, and once of each trouble with the stream or the backend. Default: a line on stderr. */
  onError?: (error: CleoError) => void;
}

export interface SseConnectionStatus extends StreamStatus {
  running: boolean;
  /** As in the seed. */
  transportName: 'sse';
}

/** How long a stop waits for handlers at work, and then for the last acks. */
const DRAIN_MS = 5_000;
const LAST_ACKS_MS = 2_000;

interface Run {
  readonly abort: AbortController;
  readonly intake: StreamIntake;
  readonly inbox: HandlerInbox;
  readonly acks: Acks;
  readonly ended: Promise<void>;
}

/**
 * Receives an agent's messages by a stream, and by polling while there is none, and gives each one to every handler, without the
 * kernel. A message is acked after all handlers succeeded, so a crash repeats it and never loses it.
 */
export class SseConnectionService implements Realtime {
  readonly #options: SseConnectionOptions;
  readonly #handlers = new Set<MessageHandler>();
  readonly #listeners = new StateListeners();
  /** Outlives a stop, so that a message whose ack was lost is not handled again. */
  readonly #finished = new Map<string, boolean>();
  #run: Run | undefined;
  #stopping: Promise<void> | undefined;

  /** Throws `E_SSE_OPTIONS`, `E_TRANSPORT_ADDRESS` and `E_TRANSPORT_INSECURE`. */
  constructor(options: SseConnectionOptions) {
    validate(options);
    this.#options = options;
  }

  /** Adds a handler; several may be added, at any time. Returns the function that takes it away. */
  onMessage(handler: MessageHandler): () => void {
    // Its own identity, so that one function added twice is called twice.
    const own: MessageHandler = (message, context) => handler(message, context);
    this.#handlers.add(own);
    this.#run?.inbox.handlersChanged();
    this.#run?.intake.look();
    return () => {
      this.#handlers.delete(own);
    };
  }

  /** Begins to connect, after a stop that is under way. Does nothing while it runs. Without a handler messages stay unread. */
  async start(): Promise<void> {
    await this.#stopping;
    this.#run ??= this.#begin();
  }

  /**
   * Ends the stream, waits up to 5 s for handlers at work, sends the last acks, and resolves when nothing runs any more. What was
   * not finished comes back at the next start. Not to be awaited inside a handler.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#end().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  status(): SseConnectionStatus {
    return {
      state: this.state,
      received: 0,
      unreadable: 0,
      ...this.#run?.intake.status(),
      running: this.#run !== undefined && this.#stopping === undefined,
      transportName: 'sse',
    };
  }

  /** `fallback` while it does not run. */
  get state(): RealtimeState {
    return this.#run?.intake.state ?? 'fallback';
  }

  get lastReceiveAgeMs(): number | undefined {
    return this.#run?.intake.lastReceiveAgeMs;
  }

  get problem(): Problem | undefined {
    return this.#run?.intake.problem;
  }

  onChange(listener: (state: RealtimeState) => void): () => void {
    return this.#listeners.add(listener);
  }

  #begin(): Run {
    const { agentId, transport, timeoutMs = 10_000, pollIntervalMs = 5_000, resume } = this.#options;
    const { handlerTimeoutMs = 300_000, maxAttempts = 5, retryDelayMs = 1_000 } = this.#options;
    const onError = (error: CleoError) => this.#report(error);
    const acks = new Acks({ transport, timeoutMs, onError: (error) => onError(asCleoError(error, 'ack')) });
    const inbox = new HandlerInbox({
      agentId,
      handlers: this.#handlers,
      finished: this.#finished,
      handlerTimeoutMs,
      maxAttempts,
      retryDelayMs,
      ack: (id) => acks.add(id),
      onRoom: () => intake.look(),
      onError,
    });
    const intake = new StreamIntake({
      target: () => targetOf(this.#options, this.#options),
      inbox,
      catchUp: (signal) => catchUp({ transport, inbox, timeoutMs }, 0, signal),
      onHeard: () => transport.heard?.(),
      resume,
      pollMs: pollIntervalMs,
      reporter: { failing: onError, unreadable: onError, recovered: () => {} },
    });
    intake.onChange((state) => this.#listeners.tell(state));
    const abort = new AbortController();
    const ended = intake.run(abort.signal).catch((error) => onError(asCleoError(error, 'the service ended')));
    return { abort, intake, inbox, acks, ended };
  }

  async #end(): Promise<void> {
    const run = this.#run;
    if (!run) return;
    run.abort.abort(new Error('the service is stopping'));
    await Promise.all([run.ended, run.inbox.close(DRAIN_MS)]);
    await run.acks.close(LAST_ACKS_MS);
    this.#run = undefined;
  }

  #report(error: CleoError): void {
    const { onError = toStderr } = this.#options;
    try {
      onError(error);
    } catch (thrown) {
      toStderr(asCleoError(thrown, 'onError threw'));
      toStderr(error);
    }
  }
}

const NUMBERS = [
  'watchdogMs',
  'connectTimeoutMs',
  'pollIntervalMs',
  'timeoutMs',
  'handlerTimeoutMs',
  'maxAttempts',
  'retryDelayMs',
] as const;
/** The longest a timer can wait; what is longer would fire at once. */
const MAX_TIMER_MS = 2_147_483_647;

function validate(options: SseConnectionOptions): void {
  const { agentId, transport } = options;
  if (!agentId) throw unusable('agentId is missing', 'Give the id of the agent whose messages to receive.');
  if (typeof transport?.poll !== 'function')
    throw unusable('transport is missing', 'Give a connected transport, such as HttpTransport.');
  for (const name of NUMBERS) {
    const value = options[name];
    if (value === undefined || (value > 0 && value <= MAX_TIMER_MS)) continue;
    throw unusable(`${name} is ${value}`, `Give a number above 0, at most ${MAX_TIMER_MS}, or leave it out.`);
  }
  targetOf(options, options);
}

function toStderr({ code, message, hint }: CleoError): void {
  console.error(hint ? `${code}: ${message} (${hint})` : `${code}: ${message}`);
}
