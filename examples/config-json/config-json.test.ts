import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockTransport } from '@cleocode/contracts/testing';
import { createKernel, KernelError, loadConfig } from '@cleocode/kernel';
import { beforeEach, expect, it, onTestFinished } from 'vitest';

/** A copy of the example, as the working directory: the agent writes there. */
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(realpathSync(tmpdir()), 'config-json-'));
  const before = process.cwd();
  process.chdir(folder);
  onTestFinished(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  });
  for (const name of ['.cleorc.json', 'package.json', 'plugins'])
    cpSync(join(import.meta.dirname, name), join(folder, name), { recursive: true });
  symlinkSync(join(import.meta.dirname, 'node_modules'), join(folder, 'node_modules'), 'junction');
});

it('files each message and says so', async () => {
  const { config, file } = await loadConfig();
  expect(file).toBe(join(folder, '.cleorc.json'));
  expect(config.plugins.map(({ definition }) => definition.name)).toEqual([
    'cleo-plugin-allow-list',
    'cleo-plugin-rate-limit',
    '@cleocode/plugin-deliver/file',
    'receipt',
  ]);
  const transport = new MockTransport();
  const kernel = createKernel({ ...config, transport });
  onTestFinished(async () => void (await kernel.stop()));
  await kernel.start();
  const message = { id: 'm1', from: 'alice', content: 'keep this', timestamp: '2026-01-01T00:00:00Z' };
  expect(await kernel.dispatch(message)).toEqual({ status: 'done' });
  expect(transport.pushed).toMatchObject([{ to: 'alice', content: 'Filed.' }]);
  const [letter] = readdirSync(join(folder, 'letters'));
  expect(JSON.parse(readFileSync(join(folder, 'letters', letter!), 'utf8'))).toMatchObject({
    content: 'keep this',
  });
});

it.each([
  [
    '"perMinute": 30',
    '"perMinute": "many"',
    'plugins[1] (cleo-plugin-rate-limit).perMinute: Invalid input: expected number, received string',
  ],
  ['"text": "Filed."', '"text": 7', 'plugins[3] (receipt).text: expected a string'],
])('with %s made %s it says which option of which plugin is wrong', async (right, wrong, message) => {
  const file = join(folder, '.cleorc.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace(right, wrong));
  const { config } = await loadConfig();
  const kernel = createKernel({ ...config, transport: new MockTransport() });
  const error = await kernel.prepare().catch((thrown) => thrown);
  expect(KernelError.is(error, 'E_PLUGIN_OPTIONS')).toBe(true);
  expect(error.message).toBe(message);
});
