import { CleoError, errorText, isMentioned, MAX_TIMER_MS, services } from '@cleocode/contracts';
import type { IntakeReporter } from '@cleocode/intake';
import { definePlugin, type Logger, packageVersion } from '@cleocode/kernel';
import { z } from 'zod';
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

export type PollerOptions = z.input<typeof options>;

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
  optional: { realtime: services.realtime },
  provides: [services.intake],
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
    ctx.provide(services.intake, {
      health: () => intake?.health() ?? { budgetMs: settings.intervalMs + settings.timeoutMs },
    });
    ctx.on('start', () => {
      const working = new Intake({
        ...settings,
        agentId: agent.id,
        transport,
        inbox,
        agent,
        realtime,
        cursors: journal,
        reporter: reportTo(ctx.logger),
      });
      intake = working;
      ctx.task('intake', (signal) => working.run(signal));
    });
  },
});

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
