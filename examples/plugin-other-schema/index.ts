import { PermanentError, services } from '@cleocode/contracts';
import { definePlugin } from '@cleocode/kernel';
import * as v from 'valibot';

/** `!the build is broken` goes to everybody who wants to know. */
const announce = definePlugin({
  name: 'cleo-plugin-announce',
  version: '1.0.0',
  apiVersion: 1,
  options: v.strictObject({
    /** The agents that are told. */
    to: v.pipe(
      v.array(v.pipe(v.string(), v.minLength(1, 'an agent has an id'))),
      v.minLength(1, 'somebody must be told'),
      v.maxLength(100),
    ),
    /** What a message begins with that is to be announced. */
    prefix: v.optional(v.pipe(v.string(), v.minLength(1)), '!'),
  }),
  // The tokens of this package's own copy of the contracts: what counts is their id.
  requires: { transport: services.transport },
  setup(ctx, { to, prefix }, { transport }) {
    ctx.on('message', async ({ message, signal }) => {
      if (!message.content.startsWith(prefix)) return;
      const text = message.content.slice(prefix.length).trim();
      // No later attempt can find words that are not there. An error is known by its brand, so this copy's class serves.
      if (text === '') throw new PermanentError('there is nothing to announce');
      for (const agent of to) {
        // A later attempt tells nobody twice.
        const idempotencyKey = `${message.id}:${agent}`;
        await transport.push(agent, `${message.from}: ${text}`, { idempotencyKey, signal });
      }
    });
  },
});

export default announce;
