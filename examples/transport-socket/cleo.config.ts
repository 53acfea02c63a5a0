import { defineConfig, definePlugin } from '@cleocode/kernel';
import { ADDRESS } from './address.ts';
import socketTransport from './index.ts';

const parrot = definePlugin({
  name: 'parrot',
  version: '1.0.0',
  apiVersion: 1,
  setup(ctx) {
    ctx.on('message', async (delivery) => {
      await delivery.reply(`You said: ${delivery.message.content}`);
    });
  },
});

export default defineConfig({
  agent: 'socket-bot',
  transport: socketTransport({ address: ADDRESS }),
  plugins: [parrot()],
});
