import { afterEach, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type Kernel, resolveConfig } from './index.ts';
import { define, kernelOf, message, plugin, recordLogs, rejection } from './kernel.test.kit.ts';
import { RENAMED_HOOKS, RENAMED_OPTIONS } from './renamed.ts';

/** Nothing of the kernel's own has another name today: these stand in for what may have one. */
function rename(table: typeof RENAMED_HOOKS, entries: typeof RENAMED_HOOKS): void {
  Object.assign(table, entries);
}

afterEach(() => {
  for (const table of [RENAMED_HOOKS, RENAMED_OPTIONS])
    for (const name of Object.keys(table)) delete table[name];
});

const everyMs = { options: z.strictObject({ everyMs: z.number().default(1_000) }) };
const renamedOptions = { every: { to: 'everyMs', since: '1.2.0', removedIn: '2.0.0' } };

it('hears a hook by its old name, and warns each plugin that uses it once', async () => {
  rename(RENAMED_HOOKS, { receive: { to: 'message', since: '0.4.0' } });
  const log = recordLogs();
  const heard: string[] = [];
  const old = (name: string) =>
    plugin(name, (ctx) => {
      ctx.on(
        'receive' as 'message',
        (delivery) => void heard.push(`${name} first ${delivery.message.content}`),
      );
      ctx.on('receive' as 'message', () => void heard.push(`${name} second`), { order: 'post' });
    });
  const kernel: Kernel = kernelOf({ plugins: [old('a'), old('b')], logger: log.logger });
  await kernel.start();
  await kernel.dispatch(message({ content: 'hello' }));
  await kernel.dispatch(message({ content: 'hello' }));
  expect(heard.slice(0, 4)).toEqual(['a first hello', 'b first hello', 'a second', 'b second']);
  expect(kernel.describe().plugins[0]!.hooks).toEqual({ message: 2 });
  expect(log.records.filter(({ level }) => level === 'warn')).toEqual(
    ['a', 'b'].map((name) => ({
      level: 'warn',
      message: 'the hook "receive" is an old name',
      fields: {
        plugin: name,
        code: 'DEP_RENAMED',
        from: 'receive',
        to: 'message',
        since: '0.4.0',
        hint: 'Write "message", its name since 0.4.0.',
      },
    })),
  );
});

it('gives the schema of a plugin its options by their new names, and warns once of the old one', async () => {
  const log = recordLogs();
  const setup = vi.fn();
  const acme = define({ name: 'acme', ...everyMs, renamedOptions, setup });
  const given = { every: 5 };
  const kernel = kernelOf({ plugins: [acme(given), acme({ everyMs: 7 }), acme()], logger: log.logger });
  await kernel.prepare();
  await kernel.start();
  expect(setup.mock.calls.map(([, options]) => options)).toEqual([
    { everyMs: 5 },
    { everyMs: 7 },
    { everyMs: 1_000 },
  ]);
  expect(given).toEqual({ every: 5 });
  expect(log.records.filter(({ level }) => level === 'warn')).toEqual([
    {
      level: 'warn',
      message: 'the option "every" is an old name and works until 2.0.0',
      fields: {
        plugin: 'acme',
        code: 'DEP_RENAMED',
        from: 'every',
        ...renamedOptions.every,
        hint: 'Write "everyMs", its name since 1.2.0.',
      },
    },
  ]);
});

it('refuses an option that is given by both names, and blames a wrong value by the new one', async () => {
  const acme = define({ name: 'acme', ...everyMs, renamedOptions });
  expect(await rejection(kernelOf({ plugins: [acme({ every: 5, everyMs: 6 })] }).start())).toMatchObject({
    code: 'E_PLUGIN_OPTIONS',
    message: 'plugins[0] (acme).every: is an old name of "everyMs", which is given too; leave this one out',
    plugin: 'acme',
    phase: 'setup',
  });
  expect(await rejection(kernelOf({ plugins: [acme({ every: 'soon' })] }).start())).toMatchObject({
    code: 'E_PLUGIN_OPTIONS',
    message: expect.stringContaining('plugins[0] (acme).everyMs: '),
  });
});

it('does the same for the options of a configuration', async () => {
  rename(RENAMED_OPTIONS, { deadlines: { to: 'timeouts', since: '0.4.0' } });
  const log = recordLogs();
  const { oldNames, ...config } = await resolveConfig({ deadlines: { initMs: 5 } });
  expect(config).toEqual({ plugins: [], timeouts: { initMs: 5 } });
  await kernelOf({ ...config, oldNames, logger: log.logger }).start();
  expect(log.records.filter(({ level }) => level === 'warn')).toMatchObject([
    { message: 'the option "deadlines" is an old name', fields: { code: 'DEP_RENAMED', to: 'timeouts' } },
  ]);
  expect(await rejection(resolveConfig({ deadlines: {}, timeouts: {} }))).toMatchObject({
    code: 'E_CONFIG_INVALID',
    message: 'config: deadlines: is an old name of "timeouts", which is given too; leave this one out',
  });
  expect(await resolveConfig({ timeouts: {} })).not.toHaveProperty('oldNames');
});
