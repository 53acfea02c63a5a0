import {
  type Agent,
  backoff,
  errorText,
  type Inbox,
  type Problem,
  pause,
  services,
  type Transport,
  withDeadline,
} from '@cleocode/contracts';
import { definePlugin, type Logger, type Plugin, packageVersion, type Task } from '@cleocode/kernel';
import { Intake } from '@cleocode/plugin-poller';
import { type SseConnectionStatus, sseMonitor } from '@cleocode/plugin-sse';
import { type ConnectSettings, connectAs } from './connect.ts';
import { type CreateSseTransport, unusable } from './runtime-config.ts';

/** What is pushed comes by itself; this often it is made sure that nothing older is left. */
const SCAN_MS = 60_000;
const RETRY_BASE_MS = 1_000;
const RETRY_CAP_MS = 30_000;
const DISCONNECT_MS = 3_000;

/**
 * A stream of another make: whatever its transport's `subscribe` brings goes to the inbox, in order with what the main transport
 * polls. Nothing proves that it is alive while it is silent, so it is never `live`, and the poller keeps its pace beside it.
 */
export function subscribedStream(create: CreateSseTransport, settings: ConnectSettings): Plugin {
  return definePlugin({
    name: '@cleocode/runtime/stream',
    version: packageVersion(import.meta.url),
    apiVersion: 1,
    requires: { transport: services.transport, inbox: services.inbox, agent: services.agent },
    provides: [sseMonitor],
    setup(ctx, _options, deps) {
      const stream = new SubscribedStream({ ...deps, create, settings, logger: ctx.logger });
      let task: Task | undefined;
      ctx.provide(sseMonitor, {
        start: () => task?.start(),
        stop: async () => task?.stop(),
        status: () => stream.status(),
      });
      ctx.on('init', () => stream.make());
      ctx.on('start', () => {
        task = ctx.task('stream', (signal) => stream.run(signal));
      });
    },
  })();
}

interface StreamParts {
  create: CreateSseTransport;
  settings: ConnectSettings;
  /** Polls and acks. */
  transport: Transport;
  inbox: Inbox;
  agent: Agent;
  logger: Logger;
}

class SubscribedStream {
  readonly #parts: StreamParts;
  #made: Transport | undefined;
  #running = false;
  #state: 'connecting' | 'stale' | 'fallback' = 'connecting';
  #received = 0;
  #receivedAt: number | undefined;
  #problem: Problem | undefined;

  constructor(parts: StreamParts) {
    this.#parts = parts;
  }

  /** Makes the first one, so that a factory that cannot fails the start. */
  async make(): Promise<void> {
    this.#made = await this.#create();
  }

  status(): SseConnectionStatus {
    return {
      state: this.#state,
      ...(this.#receivedAt !== undefined && { lastReceiveAgeMs: performance.now() - this.#receivedAt }),
      ...(this.#problem && { problem: this.#problem }),
      received: this.#received,
      unreadable: 0,
      running: this.#running,
      transportName: 'sse',
    };
  }

  /** Keeps one connection at a time until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#running = true;
    for (let failures = 0; !signal.aborted; ) {
      this.#state = 'connecting';
      try {
        await this.#connection(signal);
        failures = 0;
      } catch (error) {
        this.#failed(error);
        await pause(backoff(failures, RETRY_BASE_MS, RETRY_CAP_MS), signal);
        failures += 1;
      }
    }
    this.#state = 'fallback';
    this.#running = false;
  }

  /** One connection, until `signal` aborts or the key changes: it may have been taken when it connected. */
  async #connection(signal: AbortSignal): Promise<void> {
    const { agent, settings } = this.#parts;
    const stream = this.#made ?? (await this.#create());
    this.#made = undefined;
    const { apiKey } = agent.credential();
    const renewed = new AbortController();
    const unlisten = agent.onChange(({ apiKey: now }) => {
      if (now.reveal() !== apiKey.reveal()) renewed.abort(new Error('the key changed'));
    });
    try {
      await connectAs(agent, stream, settings);
      this.#state = 'stale';
      this.#problem = undefined;
      await this.#intake(stream).run(AbortSignal.any([signal, renewed.signal]));
    } finally {
      unlisten();
      await this.#disconnect(stream);
    }
  }

  /** Lets what is pushed through while nothing older can be waiting, and looks for that otherwise. */
  #intake(stream: Transport): Intake {
    const { agent, inbox, logger } = this.#parts;
    return new Intake({
      agentId: agent.id,
      transport: this.#heardBy(stream),
      inbox,
      agent,
      cursors: { getCursor: () => undefined, setCursor: () => {} },
      intervalMs: SCAN_MS,
      liveIntervalMs: SCAN_MS,
      timeoutMs: 10_000,
      groups: [],
      groupPollLimit: 1,
      reporter: {
        // The poller asks the same transport, and tells what is wrong with it.
        failing: (part, error) =>
          logger[part === 'push' ? 'warn' : 'debug'](`stream: ${part}: ${errorText(error)}`),
        recovered: () => {},
      },
    });
  }

  #heardBy(stream: Transport): Transport {
    const { transport } = this.#parts;
    return {
      name: stream.name,
      connect: async () => {},
      disconnect: async () => {},
      push: (...args) => transport.push(...args),
      poll: (...args) => transport.poll(...args),
      ack: (...args) => transport.ack(...args),
      subscribe: (handler) =>
        stream.subscribe!((message) => {
          this.#received += 1;
          this.#receivedAt = performance.now();
          handler(message);
        }),
    };
  }

  async #create(): Promise<Transport> {
    const stream = await this.#parts.create();
    if (typeof stream?.subscribe === 'function') return stream;
    throw unusable('createSseTransport: made a transport without subscribe');
  }

  async #disconnect(stream: Transport): Promise<void> {
    try {
      await withDeadline(
        Promise.resolve(stream.disconnect()),
        DISCONNECT_MS,
        () => new Error('it does not disconnect'),
      );
    } catch (error) {
      this.#parts.logger.debug(`stream: ${errorText(error)}`);
    }
  }

  #failed(error: unknown): void {
    const message = errorText(error);
    if (this.#problem?.message !== message)
      this.#parts.logger.warn(`stream: ${message}`, { hint: 'The poller goes on meanwhile.' });
    this.#problem = { code: 'stream_down', message };
    this.#state = 'fallback';
  }
}
