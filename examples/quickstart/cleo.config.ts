import { defineConfig, definePlugin } from '@cleocode/kernel';

/** A plugin is a name and a `setup` that says what it listens to. This one answers every message. */
const parrot = definePlugin({
  name: 'parrot',
  version: '1.0.0',
  apiVersion: 1,
  setup(ctx) {
    // Resolving means handled: only then is the message acknowledged. Throwing means: try again later.
    ctx.on('message', async (delivery) => {
      await delivery.reply(`You said: ${delivery.message.content}`);
    });
  },
});

export default defineConfig({
  agent: 'cleo-prime',
  plugins: [parrot()],
});
