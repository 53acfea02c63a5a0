/**
 * Follows somebody who has heard of the project today and has only what is published: an empty folder, the command and a
 * plugin of somebody else, a configuration that the editor helps to write, a message that the plugin answers. Then the
 * other way in: two classes in a program of one's own, and no kernel.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { completions } from './completions.ts';
import { installFrom } from './installed.ts';
import { type Packed, run } from './packed.ts';
import { bin, environment, Running } from './running.ts';

type Check = (name: string, body: () => Promise<string[]>) => Promise<boolean>;

/** `plugin` is the tarball of what `cleo plugin new answer` wrote. */
export async function checkNewcomer(
  packages: Packed[],
  plugin: string,
  temporary: string,
  check: Check,
): Promise<void> {
  await check('a newcomer with the command and a plugin of somebody else', () =>
    withCommand(packages, plugin, mkdtempSync(join(temporary, 'newcomer-'))),
  );
  await check('a newcomer with AgentPoller and HttpTransport alone', () =>
    withClasses(packages, mkdtempSync(join(temporary, 'newcomer-'))),
  );
}

async function withCommand(packages: Packed[], plugin: string, folder: string): Promise<string[]> {
  await installFrom(packages, folder, {
    '@cleocode/cleo': undefined,
    'cleo-plugin-answer': `file:${plugin}`,
  });
  const env = environment(folder);
  const cleo = (...args: string[]) =>
    run(process.execPath, [bin(folder), ...args], folder, { env, timeoutMs: 30_000 });

  await cleo('init');
  const file = join(folder, 'cleo.config.ts');
  const [, agentId] = /agent: '(.+)'/.exec(readFileSync(file, 'utf8'))!;
  const edited = (options: string) => `import { defineConfig } from '@cleocode/kernel';
import answer from 'cleo-plugin-answer';

export default defineConfig({ agent: '${agentId}', plugins: [answer({${options}})] });
`;
  writeFileSync(file, edited(''));
  const { offered, wrong } = await completions(file, 'answer({');
  const problems = [
    ...['question?', 'everyMs?']
      .filter((option) => !offered.includes(option))
      .map((option) => `the editor offers ${offered.join(', ') || 'nothing'}, and not ${option}`),
    ...wrong.map((message) => `the editor underlines: ${message}`),
  ];

  writeFileSync(file, edited("question: 'all well?'"));
  const agent = new Running([bin(folder), 'agent', 'start', '--json'], folder, env);
  try {
    await agent.line(({ event }) => event === 'ready');
    await cleo('agent', 'send', '--to', agentId!, 'all well?');
    await agent.line(({ event, content }) => event === 'sent' && /is well: /.test(String(content)));
  } finally {
    await agent.end();
  }
  return problems;
}

async function withClasses(packages: Packed[], folder: string): Promise<string[]> {
  const server = mkdtempSync(join(folder, 'server-'));
  await installFrom(packages, server, { '@cleocode/cleo': undefined });
  await installFrom(packages, folder, {
    '@cleocode/plugin-poller': undefined,
    '@cleocode/transport-http': undefined,
  });
  const dock = new Running(
    [bin(server), 'signaldock', 'serve', '--port', '0', '--json'],
    server,
    environment(server),
  );
  try {
    const url = await dock.line(({ event }) => event === 'listening').then(({ url }) => String(url));
    writeFileSync(join(folder, 'bot.ts'), PROGRAM);
    const printed = await run(process.execPath, ['bot.ts', url], folder, { timeoutMs: 60_000 });
    return printed === 'ada: hello' ? [] : [`printed ${printed}`];
  } finally {
    await dock.end();
  }
}

const PROGRAM = `import { AgentPoller } from '@cleocode/plugin-poller';
import { HttpTransport, registerAgent } from '@cleocode/transport-http';

const apiBaseUrl = process.argv[2]!;
const [ada, bob] = await Promise.all(
  ['ada', 'bob'].map(async (agentId) => {
    const { apiKey } = await registerAgent(apiBaseUrl, { agentId });
    const transport = new HttpTransport();
    await transport.connect({ agentId, apiKey, apiBaseUrl });
    return transport;
  }),
);
const poller = new AgentPoller({ agentId: 'bob', transport: bob!, pollIntervalMs: 200 });
const handled = new Promise<void>((resolve) => {
  poller.onMessage(({ from, content }) => {
    console.log(\`\${from}: \${content}\`);
    resolve();
  });
});
poller.start();
await ada!.push('bob', 'hello');
await handled;
await poller.stop();
await Promise.all([ada!.disconnect(), bob!.disconnect()]);
`;
