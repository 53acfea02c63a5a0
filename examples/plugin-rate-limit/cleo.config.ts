import { defineConfig, definePlugin } from '@cleocode/kernel';
import rateLimit from './index.ts';

const parrot = definePlugin({
  name: 'parrot',
  version: '1.0.0',
  apiVersion: 1,
  setup(ctx) {
    ctx.on('message', async ({ message, reply }) => void (await reply(`You said: ${message.content}`)));
  },
});

export default defineConfig({
  agent: 'calm',
  plugins: [rateLimit({ perMinute: 2 }), parrot()],
});
