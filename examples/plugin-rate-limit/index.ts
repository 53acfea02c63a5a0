import { errorText } from '@cleocode/contracts';
import { definePlugin } from '@cleocode/kernel';
import { z } from 'zod';
import { SenderLimit } from './sender-limit.ts';

const MINUTE_MS = 60_000;

/**
 * No more than so many messages a minute from each sender. The rest is dropped; the first that is dropped is answered, once until
 * the sender is let through again, so that a program which answers everything does not answer this for ever.
 */
const rateLimit = definePlugin({
  name: 'cleo-plugin-rate-limit',
  version: '1.0.0',
  apiVersion: 1,
  options: z.strictObject({
    /** Messages a minute from each sender. */
    perMinute: z.int().positive().max(1_000).default(10),
    /** What a sender over the limit is told; `false`: nothing. */
    answer: z
      .union([z.string().min(1), z.literal(false)])
      .default('Too many messages. Try again in a minute.'),
    /** Senders remembered at once. Above that, who was let through longest ago is forgotten, and counts anew. */
    maxSenders: z.int().positive().max(100_000).default(1_000),
  }),
  setup(ctx, { perMinute, answer, maxSenders }) {
    const senders = new SenderLimit({ limit: perMinute, windowMs: MINUTE_MS, maxSenders });
    ctx.on(
      'message',
      async (delivery) => {
        const { from, groupId } = delivery.message;
        const verdict = senders.take(from);
        if (verdict === 'through') return;
        delivery.drop(`${from} is over the limit of ${perMinute} a minute`);
        if (verdict === 'over' || answer === false) return;
        // The others of a group need not hear of it. When it fails it is not worth another attempt at the message.
        const told = groupId === undefined ? delivery.reply(answer) : delivery.send(from, answer);
        await told.catch((error) => ctx.logger.warn(`${from} could not be told: ${errorText(error)}`));
      },
      { order: 'pre' },
    );
  },
});

export default rateLimit;
