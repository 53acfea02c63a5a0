import { type CleoError, defineService, type Journal, MAX_TIMER_MS, services } from '@cleocode/contracts';
import { definePlugin, type Logger, type Task } from '@cleocode/kernel/define';
import { z } from 'zod';
import { catchUp } from './catch-up.ts';
import { StreamIntake, type StreamReporter } from './intake.ts';
import type { ResumeStore } from './resume-point.ts';
import type { SseConnectionStatus } from './service.ts';
import { targetOf } from './settings.ts';
import { VERSION } from './version.ts';

const milliseconds = z.int().positive().max(MAX_TIMER_MS);
const pem = z.string().min(1);

const options = z.strictObject({
  /**
   * Where the stream is: a path below the API base, or a URL of the same origin. Default: the `sseEndpoint` of the credential,
   * else `/messages/stream`.
   */
  endpoint: z.string().min(1).optional(),
  /** Milliseconds a stream may bring nothing before it is replaced. Default: 2.5 heartbeats of the server. */
  watchdogMs: milliseconds.optional(),
  /** Milliseconds until there must be an answer to the request for a stream. Default 10,000. */
  connectTimeoutMs: milliseconds.optional(),
  /** The deadline of each poll that catches up with the stream, in milliseconds. */
  timeoutMs: milliseconds.default(10_000),
  /** Puts the key into the query of the stream's URL, for a server that reads it nowhere else. It may end in its log. Default `false`. */
  authInQuery: z.boolean().optional(),
  /** Allows plain http to another machine. Only where nobody else can listen on the way. Default `false`. */
  allowInsecure: z.boolean().optional(),
  /** PEM certificates to trust instead of the public ones. */
  ca: pem.or(z.array(pem)).optional(),
});

/** Options of {@link sse}. */
export type SseOptions = z.input<typeof options>;

/** How the stream is, and a way to pause it. */
export interface SseMonitor extends Task {
  status(): SseConnectionStatus;
}

/** The service by which other plugins and programs see the stream, or pause it. */
export const sseMonitor = defineService<SseMonitor>('sseConnection');

/** Under which the journal keeps the id of the last event. */
const MARK = 'sse';

/** The realtime intake: brings messages as they are sent, and tells the poller whether it does. */
export const sse = definePlugin({
  name: '@cleocode/plugin-sse',
  version: VERSION,
  apiVersion: 1,
  options,
  requires: {
    transport: services.transport,
    inbox: services.inbox,
    agent: services.agent,
    journal: services.journal,
  },
  provides: [services.realtime, sseMonitor],
  setup(ctx, { endpoint, timeoutMs, ...settings }, { transport, inbox, agent, journal }) {
    const target = () => {
      const { apiBaseUrl, transportConfig } = agent.credential();
      const { sseEndpoint: configured } = transportConfig;
      const sseEndpoint = endpoint ?? (typeof configured === 'string' ? configured : undefined);
      return targetOf({ agentId: agent.id, agent, apiBaseUrl, sseEndpoint, transport }, settings);
    };
    const intake = new StreamIntake({
      target,
      inbox,
      // From the beginning: what is not acked yet is known here, and no cursor is as safe.
      catchUp: (signal) => catchUp({ transport, inbox, timeoutMs }, 0, signal),
      resume: resumeIn(journal),
      reporter: reportTo(ctx.logger),
    });
    let task: Task | undefined;
    let running = false;
    ctx.provide(services.realtime, intake);
    ctx.provide(sseMonitor, {
      start: () => task?.start(),
      stop: async () => task?.stop(),
      status: () => ({ ...intake.status(), running, transportName: 'sse' }),
    });
    // A wrong address fails the start, not every attempt.
    ctx.on('init', () => void target());
    ctx.on('start', () => {
      task = ctx.task('stream', async (signal) => {
        running = true;
        try {
          await intake.run(signal);
        } finally {
          running = false;
        }
      });
    });
  },
});

function resumeIn(journal: Journal): ResumeStore {
  return { load: () => journal.getMark?.(MARK), save: (id) => journal.setMark?.(MARK, id) };
}

function reportTo(logger: Logger): StreamReporter {
  const warn = ({ code, message, hint }: CleoError) => logger.warn(`stream: ${message}`, { code, hint });
  return { failing: warn, unreadable: warn, recovered: () => logger.info('stream: live again') };
}
