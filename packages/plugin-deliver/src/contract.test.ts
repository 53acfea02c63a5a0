import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContractRule, pluginContract } from '@cleocode/kernel/testing';
import { afterAll, describe, it, vi } from 'vitest';
import { exec, file, stdout, webhook } from './index.ts';
import { receiver } from './receiver.test.kit.ts';

const folder = mkdtempSync(join(tmpdir(), 'cleo-contract-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each<[name: string, rules: ContractRule[]]>([
  [
    'exec',
    pluginContract(exec, {
      options: { command: 'cat', reply: true },
      invalidOptions: { command: { command: ' ' }, timeoutMs: { command: 'cat', timeoutMs: 0 } },
    }),
  ],
  ['file', pluginContract(file, { options: { dir: folder }, invalidOptions: { dir: { dir: 7 } } })],
  ['stdout', pluginContract(stdout, { invalidOptions: { json: { json: 'yes' } } })],
  [
    'webhook',
    pluginContract(webhook, {
      options: async () => ({ url: (await receiver(200)).url, allowPrivate: true }),
      invalidOptions: { url: { url: 'ftp://127.0.0.1' }, secret: { url: 'https://example.com', secret: '' } },
    }),
  ],
])('%s', (_, rules) => {
  it.each(rules)('$name', async ({ run }) => {
    const printing = vi.spyOn(process.stdout, 'write').mockImplementation((_text, ...rest: unknown[]) => {
      (rest.at(-1) as (() => void) | undefined)?.();
      return true;
    });
    await run().finally(() => printing.mockRestore());
  });
});
