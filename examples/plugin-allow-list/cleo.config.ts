import { defineConfig, definePlugin } from '@cleocode/kernel';
import allowList from './index.ts';

const greeter = definePlugin({
  name: 'greeter',
  version: '1.0.0',
  apiVersion: 1,
  setup(ctx) {
    ctx.on('message', async ({ message, reply }) => void (await reply(`Good day, ${message.from}.`)));
  },
});

export default defineConfig({
  agent: 'club',
  plugins: [allowList({ senders: ['alice', 'team-*'] }), greeter()],
});
