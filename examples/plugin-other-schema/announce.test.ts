import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { services } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { createKernel, createLogger, KernelError } from '@cleocode/kernel';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';

type Announce = typeof import('./index.ts')['default'];

/** The plugin as npm installs it when its contracts are of another version: beside a copy of its own. */
let project: string;
let announce: Announce;

beforeAll(async () => {
  const workspace = join(import.meta.dirname, '../..');
  mkdirSync(join(workspace, '.tmp'), { recursive: true });
  // Inside the workspace, and not below `node_modules`: there Node would not remove the types of a copy.
  project = mkdtempSync(join(workspace, '.tmp/second-copy-'));
  for (const file of ['index.ts', 'package.json'])
    cpSync(join(import.meta.dirname, file), join(project, file));
  const original = dirname(dirname(createRequire(import.meta.url).resolve('@cleocode/contracts')));
  const copy = join(project, 'contracts');
  cpSync(join(original, 'package.json'), join(copy, 'package.json'));
  cpSync(join(original, 'src'), join(copy, 'src'), { recursive: true });
  mkdirSync(join(copy, 'node_modules'));
  symlinkSync(join(original, 'node_modules/zod'), join(copy, 'node_modules/zod'), 'junction');
  mkdirSync(join(project, 'node_modules/@cleocode'), { recursive: true });
  symlinkSync(copy, join(project, 'node_modules/@cleocode/contracts'), 'junction');
  for (const name of ['@cleocode/kernel', 'valibot'])
    symlinkSync(
      join(import.meta.dirname, 'node_modules', name),
      join(project, 'node_modules', name),
      'junction',
    );
  announce = (await import(join(project, 'index.ts'))).default;
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

it('has tokens of its own, with the ids of everybody', () => {
  const { transport } = announce.definition.requires as { transport: typeof services.transport };
  expect(transport).not.toBe(services.transport);
  expect(transport.id).toBe(services.transport.id);
});

it('gets the transport of the agent by such a token, and tells everybody once', async () => {
  const { kernel, transport } = await started({ to: ['bob', 'carol'] });
  expect(await kernel.dispatch(message('!  the build is broken '))).toEqual({ status: 'done' });
  expect(await kernel.dispatch(message('good morning', 'm2'))).toEqual({ status: 'done' });
  expect(transport.pushed).toMatchObject([
    { to: 'bob', content: 'alice: the build is broken', options: { idempotencyKey: 'm1:bob' } },
    { to: 'carol', content: 'alice: the build is broken', options: { idempotencyKey: 'm1:carol' } },
  ]);
});

it('gives a message up at once with a PermanentError of its own copy', async () => {
  const { kernel } = await started({ to: ['bob'], prefix: 'announce:' });
  expect(await kernel.dispatch(message('announce:'))).toEqual({
    status: 'dead',
    attempts: 1,
    error: expect.stringContaining('there is nothing to announce'),
  });
});

it.each([
  [{}, ['.to: Invalid key: Expected "to" but received undefined']],
  [{ to: [] }, ['.to: somebody must be told']],
  [{ to: ['bob', ''] }, ['.to[1]: an agent has an id']],
  [
    { to: ['bob', 7], prefix: '', too: true },
    [
      '.to[1]: Invalid type: Expected string but received 7',
      '.prefix: Invalid length: Expected >=1 but received 0',
      '.too: Invalid key: Expected never but received "too"',
    ],
  ],
])('refuses %j by the path of what is wrong', async (options, complaints) => {
  const error = await started(options as Parameters<Announce>[0]).catch((thrown) => thrown);
  expect(KernelError.is(error, 'E_PLUGIN_OPTIONS')).toBe(true);
  expect(error.message.split('\n')).toEqual(
    complaints.map((complaint) => `plugins[0] (cleo-plugin-announce)${complaint}`),
  );
});

/** What fails on purpose is not worth a line. */
const logger = createLogger('error', () => {});

async function started(options: Parameters<Announce>[0]) {
  const transport = new MockTransport();
  const kernel = createKernel({ agent: 'crier', transport, plugins: [announce(options)], logger });
  onTestFinished(async () => void (await kernel.stop()));
  await kernel.start();
  return { kernel, transport };
}

function message(content: string, id = 'm1') {
  return { id, from: 'alice', content, timestamp: '2026-01-01T00:00:00Z' };
}
