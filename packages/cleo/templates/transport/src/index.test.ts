import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { conformanceHarness, transportConformance } from '@cleocode/contracts/testing';
import { definePlugin } from '@cleocode/kernel';
import { pluginContract, testKernel } from '@cleocode/kernel/testing';
import { backendAt } from './backend.ts';
import { TemplateTransport, templateTransport } from './index.ts';

/** An agent of a backend that nobody else uses. */
async function someone() {
  const apiBaseUrl = `https://${randomUUID()}.example`;
  return { id: 'bob', apiBaseUrl, apiKey: await backendAt(apiBaseUrl).register('bob') };
}

describe('what every transport does', () => {
  for (const { name, run } of transportConformance())
    test(name, { timeout: 30_000 }, async (t) => {
      const apiBaseUrl = `https://${randomUUID()}.example`;
      const backend = backendAt(apiBaseUrl);
      const harness = conformanceHarness({
        transport: () => new TemplateTransport(),
        register: async (agentId) => ({ apiBaseUrl, apiKey: await backend.register(agentId) }),
        group: (agentIds) => backend.openGroup(agentIds),
        // With `restart` and `silence` of your backend here, fewer rules are skipped.
        skip: (reason) => t.skip(reason),
      });
      await run(harness).finally(harness.close);
    });
});

describe('the contract of a plugin', () => {
  const rules = pluginContract(templateTransport, {
    options: { timeoutMs: 1_000 },
    // By the path that the error must name.
    invalidOptions: { timeoutMs: { timeoutMs: 0 } },
    agent: someone,
  });
  for (const { name, run } of rules) test(name, run);
});

test('carries what an agent answers', async (t) => {
  const bob = await someone();
  const backend = backendAt(bob.apiBaseUrl);
  const ada = await backend.register('ada');
  const echo = definePlugin({
    name: 'echo',
    version: '1.0.0',
    apiVersion: 1,
    setup: (ctx) => void ctx.on('message', (delivery) => delivery.reply(delivery.message.content)),
  });
  const bot = await testKernel({ agent: bob, transport: templateTransport(), plugins: [echo()] });
  t.after(() => bot.stop());
  await bot.deliver({ from: 'ada', content: 'hello' });
  assert.deepEqual(
    (await backend.unread(ada, {})).map(({ from, content }) => [from, content]),
    [['bob', 'hello']],
  );
});
