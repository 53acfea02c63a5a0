import { setImmediate } from 'node:timers/promises';
import {
  CleoError,
  defineService,
  errorText,
  type IntakeHealth,
  isMentioned,
  MAX_TIMER_MS,
  services,
} from '@cleocode/contracts';
import type { IntakeReporter } from '@cleocode/intake';
import { definePlugin, type Logger, packageVersion, type Task } from '@cleocode/kernel/define';
import { z } from 'zod';
import type { AgentPollerStatus } from './agent-poller.ts';
import { Intake } from './intake.ts';

const milliseconds = z.int().positive().max(MAX_TIMER_MS);

const options = z.strictObject({
  /** Milliseconds from the end of one cycle to the beginning of the next, give or take a fifth. */
  intervalMs: milliseconds.default(5_000),
  /** The same while messages are proven to arrive without asking: native push, or a live stream. Groups: every fifth cycle then. */
  liveIntervalMs: milliseconds.default(60_000),
  /** Conversations to follow for messages that mention the agent. */
  groups: z.array(z.string().min(1)).default([]),
  /** How many of a group's newest messages count when it is followed for the first time. */
  groupPollLimit: z.int().min(1).max(200).default(15),
  /** `mentions`: group messages that do not mention the agent are acked and reach no handler, whatever brought them. */
  groupMessages: z.enum(['all', 'mentions']).default('all'),
  /** The deadline of each request, in milliseconds. */
  timeoutMs: milliseconds.default(10_000),
});

/** Options of {@link poller}. */
export type PollerOptions = z.input<typeof options>;

/** What the poller does, and a way to pause it. What it took in already is handled meanwhile. */
export interface PollerMonitor extends Task {
  /** Counts whatever brought the messages. */
  status(): AgentPollerStatus;
}

/** The service by which other plugins and programs see the poller, or pause it. */
export const pollerMonitor = defineService<PollerMonitor>('poller');

/** The pull intake: polls the transport, follows groups, and takes native push where the transport has it. */
export const poller = definePlugin({
  name: '@cleocode/plugin-poller',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  requires: {
    transport: services.transport,
    inbox: services.inbox,
    agent: services.agent,
    journal: services.journal,
  },
  late: { realtime: services.realtime },
  provides: [services.intake, pollerMonitor],
  setup(ctx, settings, { transport, inbox, agent, journal, realtime }) {
    if (settings.groupMessages === 'mentions')
      ctx.on(
        'message',
        (delivery) => {
          const { groupId, content } = delivery.message;
          if (groupId !== undefined && !isMentioned(content, agent.id))
            delivery.drop('a group message that does not mention the agent');
        },
        { order: 'pre' },
      );
    let intake: Intake | undefined;
    let task: Task | undefined;
    let running = false;
    const budgetMs = settings.intervalMs + settings.timeoutMs;
    ctx.provide(services.intake, {
      health() {
        if (!intake) return { budgetMs };
        return running ? intake.health() : paused(realtime()?.state === 'live', budgetMs);
      },
    });
    ctx.provide(pollerMonitor, {
      start: () => task?.start(),
      stop: async () => task?.stop(),
      status() {
        const { done, dead, dropped, inFlight, queued } = inbox.stats();
        const status = intake?.status() ?? { failures: 0, pushLive: false };
        return { ...status, running, seenCount: done + dead + dropped, pending: inFlight + queued };
      },
    });
    ctx.on('start', () => {
      const working = new Intake({
        ...settings,
        agentId: agent.id,
        transport,
        inbox,
        agent,
        realtime: realtime(),
        cursors: journal,
        reporter: reportTo(ctx.logger),
      });
      intake = working;
      task = ctx.task('intake', async (signal) => {
        running = true;
        try {
          // Whoever waits for the start of the kernel gets to add a handler before the first message is here.
          await setImmediate();
          await working.run(signal);
        } finally {
          running = false;
        }
      });
    });
  },
});

/** While somebody has stopped the poller, only a live stream brings messages. */
function paused(live: boolean, budgetMs: number): IntakeHealth {
  if (live) return { lastReceiveAgeMs: 0, budgetMs };
  return {
    budgetMs,
    problem: {
      code: 'poller_stopped',
      message: 'the poller was stopped, and nothing else brings messages',
      hint: 'Start it again.',
    },
  };
}

function reportTo(logger: Logger): IntakeReporter {
  return {
    failing: (part, error) =>
      logger.warn(`${part}: ${errorText(error)}`, {
        part,
        ...(CleoError.is(error) && { code: error.code, hint: error.hint }),
      }),
    recovered: (part, failures) => logger.info(`${part}: works again`, { part, failures }),
  };
}
