export interface TemplateOptions {
  agentId: string;
  /** `@cleocode/kernel` can be imported from the folder; without it the file may only import types. */
  kernelInstalled: boolean;
}

/** What `cleo init` writes: a configuration that works as it stands. */
export function configTemplate(options: TemplateOptions): string {
  return options.kernelInstalled ? withHandler(options) : typesOnly(options);
}

function withHandler({ agentId }: TemplateOptions): string {
  return `import { defineConfig, definePlugin } from '@cleocode/kernel';

/** A plugin. This one answers each message; replace what it does with your own. */
const answer = definePlugin({
  name: 'answer',
  version: '1.0.0',
  apiVersion: 1,
  setup(ctx) {
    // Resolving means handled: the message is acknowledged. Throwing means: try again later, five times at most.
    ctx.on('message', async (delivery) => {
      await delivery.reply(\`You said: \${delivery.message.content}\`);
    });
  },
});

export default defineConfig({
  agent: '${agentId}',
  plugins: [answer()],
${COMMON}});
`;
}

/** A type import vanishes when Node runs the file: it needs no installed package. */
function typesOnly({ agentId }: TemplateOptions): string {
  return `import type { CleoConfig } from '@cleocode/kernel';

export default {
  agent: '${agentId}',

  // What is done with a message. With nothing here it is shown; or start with: cleo agent start --exec './answer.sh' --reply
  // A plugin by its package name, or with options: ['deliver/exec', { command: './answer.sh', reply: true }]
  plugins: [],

${COMMON}} satisfies CleoConfig;
`;
}

const COMMON = `  // How much is done at once, and how failures are retried. These are the defaults.
  inbox: {
    // concurrency: 16, // conversations handled at once; inside one, messages come in order
    // maxAttempts: 5, // then a message is kept as a dead letter: cleo agent dead-letters
    // retryBaseMs: 1_000, // doubled after each failure
  },

  // Deadlines in milliseconds.
  timeouts: {
    // messageMs: 300_000, // one run of a message handler
    // drainMs: 10_000, // how long Ctrl-C waits for what is being handled
  },

  // logLevel: 'info', // debug, info, warn or error
`;
