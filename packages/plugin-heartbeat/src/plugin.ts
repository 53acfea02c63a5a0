import { randomUUID } from 'node:crypto';
import { defineService, MAX_TIMER_MS, services } from '@cleocode/contracts';
import { definePlugin, type Logger, packageVersion, type Task } from '@cleocode/kernel/define';
import { z } from 'zod';
import { Heart, type HeartbeatStatus, type HeartOptions } from './heart.ts';

/** What others see of the agent, and why; and a way to pause it: `stop` says `offline`. */
export interface PresenceMonitor extends Task {
  status(): HeartbeatStatus;
}

/** The service by which other plugins and programs see the presence, or pause it. */
export const presence = defineService<PresenceMonitor>('presence');

const options = z.strictObject({
  /** The longest wait between two beats, in milliseconds; 0 tells nobody anything. */
  intervalMs: z.int().nonnegative().max(MAX_TIMER_MS).default(30_000),
});

/** Options of {@link heartbeat}. */
export type HeartbeatOptions = z.input<typeof options>;

/** Presence: others see the agent `online` while it hears, `busy` while it does not, `offline` when it has stopped. */
export const heartbeat = definePlugin({
  name: '@cleocode/plugin-heartbeat',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  requires: { transport: services.transport, agent: services.agent },
  optional: { intake: services.intake, inbox: services.inbox },
  late: { realtime: services.realtime },
  provides: [presence],
  setup(ctx, { intervalMs }, { realtime, ...deps }) {
    const heart = new Heart({
      ...deps,
      get realtime() {
        return realtime();
      },
      ...reportTo(ctx.logger),
      intervalMs,
      instanceId: randomUUID(),
    });
    let task: Task | undefined;
    ctx.provide(presence, {
      start: () => task?.start(),
      stop: async () => task?.stop(),
      status: () => heart.status(),
    });
    // Others should not wait for an answer of an agent that takes nothing more in, however long its handlers still work.
    const closed = new AbortController();
    deps.inbox?.observe(({ type }) => {
      if (type === 'closed') closed.abort(new Error('the agent is stopping'));
    });
    ctx.on('start', () => {
      task = ctx.task('heartbeat', (signal) => heart.run(AbortSignal.any([signal, closed.signal])));
    });
  },
});

function reportTo(logger: Logger): Pick<HeartOptions, 'onError' | 'onRecovered' | 'onChange' | 'onStall'> {
  let troubled = false;
  return {
    onError: ({ code, message, hint }) => logger.warn(`presence: ${message}`, { code, hint }),
    onRecovered: (failures) => logger.info('presence: works again', { failures }),
    onChange(status, problems) {
      const [first] = problems;
      if (first) logger.warn(`presence: ${status}: ${first.message}`, { status, problems });
      // That all is well is news only after it was not.
      else logger[troubled ? 'info' : 'debug'](`presence: ${status}`);
      troubled = first !== undefined;
    },
    onStall({ gapMs, certain }) {
      if (certain) logger.warn('this process stood still', { gapMs });
      else logger.info('the clock went ahead: the host slept, or it was set', { gapMs });
    },
  };
}
