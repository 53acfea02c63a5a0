import { setTimeout as sleep } from 'node:timers/promises';
import { services } from '@cleocode/contracts';
import { definePlugin, packageVersion } from '@cleocode/kernel';
import { z } from 'zod';

// strictObject: a misspelt option is refused, and named.
const options = z.strictObject({
  /** The message that is answered. */
  question: z.string().min(1).default('how are you?'),
  /** Milliseconds between two lines in the log. */
  everyMs: z.int().min(100).max(86_400_000).default(60_000),
});

export type TemplateOptions = z.input<typeof options>;

/** Answers one question, and logs now and then how much the agent has done. */
export const template = definePlugin({
  name: 'cleo-plugin-template',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  // Services that must be there. `optional` and `late` are for those that may be.
  requires: { agent: services.agent, inbox: services.inbox },
  // Declares only. Open files and connections in an `init` handler, and ctx.defer their closing in the next line.
  setup(ctx, { question, everyMs }, { agent, inbox }) {
    const sum = () => {
      const { done, queued } = inbox.stats();
      return `${done} done, ${queued} waiting`;
    };

    ctx.on('start', () => {
      // Awaited at the end of the plugin, and started again with backoff when it throws.
      ctx.task('report', async (signal) => {
        for (;;) {
          await sleep(everyMs, undefined, { signal });
          ctx.logger.info(`so far: ${sum()}`);
        }
      });
    });

    // Resolving means handled: the message is acknowledged. Throwing means: try again later.
    ctx.on('message', async (delivery) => {
      if (delivery.message.content !== question) return;
      await delivery.reply(`${agent.id} is well: ${sum()}`);
    });
  },
});

// By default, so that a configuration can name the package.
export default template;
