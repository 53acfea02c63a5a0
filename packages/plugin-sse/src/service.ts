import type { CleoError, Problem, Realtime, RealtimeState, Transport } from '@cleocode/contracts';
import { checkOptions, type MessageHandler, StandaloneIntake } from '@cleocode/intake';
import { catchUp } from './catch-up.ts';
import { unusable } from './errors.ts';
import { StreamIntake, type StreamStatus } from './intake.ts';
import type { ResumeStore } from './resume-point.ts';
import { type StreamAddress, type StreamSettings, targetOf } from './settings.ts';
import { StateListeners } from './state-listeners.ts';

/** Where the stream is, who asks for it, and how its messages are handled. */
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

/** How the stream does, and whether anybody works on it. */
export interface SseConnectionStatus extends StreamStatus {
  running: boolean;
  /** As in the earlier runtime. */
  transportName: 'sse';
}

/**
 * Receives an agent's messages by a stream, and by polling while there is none, and gives each one to every handler, without the
 * kernel. A message is acked after all handlers succeeded, so a crash repeats it and never loses it.
 */
export class SseConnectionService implements Realtime {
  readonly #standalone: StandaloneIntake<StreamIntake>;
  readonly #listeners = new StateListeners();

  /** Throws `E_SSE_OPTIONS`, `E_TRANSPORT_ADDRESS` and `E_TRANSPORT_INSECURE`. */
  constructor(options: SseConnectionOptions) {
    checkOptions(options, NUMBERS, unusable);
    targetOf(options, options);
    const { transport, timeoutMs = 10_000, pollIntervalMs = 5_000, resume } = options;
    this.#standalone = new StandaloneIntake(
      { ...options, name: 'SseConnectionService', timeoutMs },
      ({ inbox, reporter: { failing } }) => {
        const intake = new StreamIntake({
          target: () => targetOf(options, options),
          inbox,
          catchUp: (signal) => catchUp({ transport, inbox, timeoutMs }, 0, signal),
          resume,
          pollMs: pollIntervalMs,
          reporter: {
            failing: (error) => failing('stream', error),
            unreadable: (error) => failing('stream', error),
            recovered: () => {},
          },
        });
        intake.onChange((state) => this.#listeners.tell(state));
        inbox.observe(({ type }) => {
          if (type === 'room') intake.look();
        });
        return intake;
      },
    );
  }

  /** Adds a handler; several may be added, at any time. Returns the function that takes it away. */
  onMessage(handler: MessageHandler): () => void {
    const end = this.#standalone.onMessage(handler);
    // Without one, nothing was fetched.
    this.#standalone.source?.look();
    return end;
  }

  /** Begins to connect, after a stop that is under way. Does nothing while it runs. Without a handler messages stay unread. */
  start(): Promise<void> {
    return this.#standalone.start();
  }

  /**
   * Ends the stream, waits up to 5 s for handlers at work, sends the last acks, and resolves when nothing runs any more. What was
   * not finished comes back at the next start. Not to be awaited inside a handler.
   */
  stop(): Promise<void> {
    return this.#standalone.stop();
  }

  status(): SseConnectionStatus {
    const { running } = this.#standalone.status();
    const status = this.#standalone.source?.status();
    return { state: this.state, received: 0, unreadable: 0, ...status, running, transportName: 'sse' };
  }

  /** `fallback` while it does not run. */
  get state(): RealtimeState {
    return this.#standalone.source?.state ?? 'fallback';
  }

  get lastReceiveAgeMs(): number | undefined {
    return this.#standalone.source?.lastReceiveAgeMs;
  }

  get problem(): Problem | undefined {
    return this.#standalone.source?.problem;
  }

  onChange(listener: (state: RealtimeState) => void): () => void {
    return this.#listeners.add(listener);
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
