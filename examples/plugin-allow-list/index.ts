import { definePlugin } from '@cleocode/kernel';
import { z } from 'zod';

/** Only listed senders get through. The others are dropped before any handler sees them, and cost nothing. */
const allowList = definePlugin({
  name: 'cleo-plugin-allow-list',
  version: '1.0.0',
  apiVersion: 1,
  options: z.strictObject({
    /** Agent ids; one that ends with `*` stands for all that begin so. An empty list lets nobody through. */
    senders: z.array(z.string().regex(/^([A-Za-z0-9._+-]+\*?|\*)$/, 'an agent id, or its beginning and "*"')),
  }),
  setup(ctx, { senders }) {
    const ids = new Set(senders.filter((sender) => !sender.endsWith('*')));
    const beginnings = senders.filter((sender) => sender.endsWith('*')).map((sender) => sender.slice(0, -1));
    const isListed = (id: string) => ids.has(id) || beginnings.some((beginning) => id.startsWith(beginning));
    ctx.on(
      'message',
      ({ message: { from }, drop }) => {
        if (!isListed(from)) drop(`${from} is not on the list`);
      },
      { order: 'pre' },
    );
  },
});

export default allowList;
