import { definePlugin } from '@cleocode/kernel';

/** Says that a message was taken. A plugin by path: its module exports the factory by default. */
export default definePlugin({
  name: 'receipt',
  version: '1.0.0',
  apiVersion: 1,
  // Any Standard Schema: this one by hand, without a library.
  options: {
    '~standard': {
      version: 1,
      vendor: 'receipt',
      validate: (/** @type {any} */ options) =>
        typeof options.text === 'string'
          ? { value: { text: options.text } }
          : { issues: [{ message: 'expected a string', path: ['text'] }] },
    },
  },
  setup(ctx, { text }) {
    ctx.on('message', async (delivery) => void (await delivery.reply(text)));
  },
});
