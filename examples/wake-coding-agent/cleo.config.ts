import { defineConfig, definePlugin } from '@cleocode/kernel';
import { exec } from '@cleocode/plugin-deliver';

/** Ids of the agents that may wake it, separated by commas. Without it, everybody who can send to it. */
const trusted = process.env.WAKE_TRUSTED?.split(',');

/** Looks at each message before the tool does: who is not trusted gets no answer and costs nothing. */
const doorman = definePlugin({
  name: 'doorman',
  version: '1.0.0',
  apiVersion: 1,
  setup(ctx) {
    ctx.on(
      'message',
      (delivery) => {
        if (trusted && !trusted.includes(delivery.message.from)) delivery.drop('not trusted');
      },
      { order: 'pre' },
    );
  },
});

export default defineConfig({
  agent: 'coder',
  plugins: [
    doorman(),
    exec({
      // Or codex, or opencode. It works in the folder that the agent was started in.
      command: 'node wake.ts claude --dir "$PROJECT"',
      env: { PROJECT: process.cwd() },
      cwd: import.meta.dirname,
      reply: true,
      // Two at once would work in the same files.
      concurrency: 1,
      timeoutMs: 30 * 60_000,
    }),
  ],
  // A second try costs as much as the first.
  inbox: { maxAttempts: 2 },
});
