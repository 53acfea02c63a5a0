import type { StandardSchemaV1 } from '@standard-schema/spec';
import * as v from 'valibot';
import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { define, kernelOf, never, plugin, rejection } from './kernel.test.kit.ts';

const failureOf = (plugins: Parameters<typeof kernelOf>[0]['plugins']) =>
  rejection(kernelOf({ plugins, timeouts: { initMs: 20 } }).start());

const zodPlugin = (setup = vi.fn()) =>
  define({
    name: '@acme/cleo-plugin-x',
    options: z.strictObject({
      everyMs: z.number().default(1_000),
      targets: z.array(z.object({ url: z.url() })).default([]),
    }),
    setup,
  });

it('gives setup what the schema makes of the options, defaults included', async () => {
  const setup = vi.fn();
  const own = zodPlugin(setup);
  await kernelOf({ plugins: [own(), own({ everyMs: 5 })] }).start();
  expect(setup.mock.calls.map(([, options]) => options)).toEqual([
    { everyMs: 1_000, targets: [] },
    { everyMs: 5, targets: [] },
  ]);
});

it('names the place, the plugin and the path of each fault (zod)', async () => {
  const options = { everyMs: 'often', targets: [{ url: 'https://a.example' }, { url: 7 }], evreyMs: 1 };
  const error = await failureOf([plugin('a'), plugin('b'), zodPlugin()(options)]);
  expect(error).toMatchObject({
    code: 'E_PLUGIN_OPTIONS',
    hint: 'Correct the option in the configuration; the README of the plugin lists them all.',
    plugin: '@acme/cleo-plugin-x',
    phase: 'setup',
  });
  expect((error as Error).message.split('\n')).toEqual([
    'plugins[2] (@acme/cleo-plugin-x).everyMs: Invalid input: expected number, received string',
    'plugins[2] (@acme/cleo-plugin-x).targets[1].url: Invalid input: expected string, received number',
    'plugins[2] (@acme/cleo-plugin-x): Unrecognized key: "evreyMs"',
  ]);
});

it('names the place, the plugin and the path of each fault (valibot)', async () => {
  const setup = vi.fn();
  const own = define({
    name: '@acme/cleo-plugin-y',
    options: v.strictObject({
      everyMs: v.optional(v.number(), 1_000),
      targets: v.optional(v.array(v.object({ url: v.string() })), []),
    }),
    setup,
  });
  await kernelOf({ plugins: [own({ targets: [{ url: 'x' }] })] }).start();
  expect(setup.mock.lastCall![1]).toEqual({ everyMs: 1_000, targets: [{ url: 'x' }] });
  const error = await failureOf([own({ everyMs: 'often', targets: [{ url: 7 }] })]);
  expect(error).toMatchObject({ code: 'E_PLUGIN_OPTIONS', plugin: '@acme/cleo-plugin-y' });
  expect((error as Error).message.split('\n')).toEqual([
    'plugins[0] (@acme/cleo-plugin-y).everyMs: Invalid type: Expected number but received "often"',
    'plugins[0] (@acme/cleo-plugin-y).targets[0].url: Invalid type: Expected string but received 7',
  ]);
});

it('calls the transport by its place', async () => {
  const transport = zodPlugin()({ everyMs: 'often' });
  expect(await rejection(kernelOf({ transport }).start())).toMatchObject({
    code: 'E_PLUGIN_OPTIONS',
    message: expect.stringMatching(/^transport \(@acme\/cleo-plugin-x\)\.everyMs: /),
  });
});

it('refuses options for a plugin that takes none', async () => {
  const plain = define({ name: 'plain' });
  expect(await failureOf([plain({ a: 1 })])).toMatchObject({
    code: 'E_PLUGIN_OPTIONS',
    message: 'plugins[0] (plain): takes no options',
    plugin: 'plain',
  });
  expect(await failureOf([plain('fast')])).toMatchObject({ message: 'plugins[0] (plain): takes no options' });
  await kernelOf({ plugins: [plain(), plain({})] }).start();
});

it('runs no setup when the options of any plugin are wrong', async () => {
  const setup = vi.fn();
  await failureOf([plugin('first', setup), zodPlugin()({ everyMs: 'often' })]);
  expect(setup).not.toHaveBeenCalled();
});

it('names the plugin whose schema throws, with what it threw, or does not answer', async () => {
  const schema = (validate: () => never | Promise<never>): StandardSchemaV1 => ({
    '~standard': { version: 1, vendor: 'test', validate },
  });
  const cause = new Error('no network');
  const throwing = schema(() => {
    throw cause;
  });
  expect(await failureOf([define({ name: 'bad', options: throwing })()])).toMatchObject({
    code: 'E_PLUGIN_OPTIONS',
    message: 'plugins[0] (bad): no network',
    plugin: 'bad',
    cause,
  });
  expect(await failureOf([define({ name: 'slow', options: schema(never) })()])).toMatchObject({
    code: 'E_PLUGIN_OPTIONS',
    message: 'plugins[0] (slow): the check did not end within 20 ms',
  });
});
