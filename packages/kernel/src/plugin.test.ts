import { defineService, type Inbox, services, type Transport } from '@cleocode/contracts';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { type Delivery, definePlugin, isPlugin, isPluginFactory, type Logger, type Plugin } from './index.ts';

const clock = defineService<{ now(): number }>('clock');
const base = { name: 'p', version: '1.0.0', apiVersion: 1 } as const;

it('makes a factory that remembers its definition, and whose plugins carry their options', () => {
  const factory = definePlugin<{ everyMs: number }>({ ...base, setup() {} });
  const plugin = factory({ everyMs: 5 });
  expect(isPluginFactory(factory)).toBe(true);
  expect(isPlugin(factory)).toBe(false);
  expect(isPlugin(plugin)).toBe(true);
  expect(plugin).toMatchObject({ options: { everyMs: 5 } });
  expect(plugin.definition).toBe(factory.definition);
  expect(Object.isFrozen(plugin)).toBe(true);
  for (const other of [null, undefined, {}, 'poller', () => {}])
    expect([isPlugin(other), isPluginFactory(other)]).toEqual([false, false]);
});

describe('types', () => {
  it('gives setup what the schema makes of the options, and takes what the schema takes', () => {
    const factory = definePlugin({
      ...base,
      options: z.strictObject({ everyMs: z.number().default(5), at: z.string().transform(Number) }),
      setup(_ctx, options) {
        expectTypeOf(options).toEqualTypeOf<{ everyMs: number; at: number }>();
      },
    });
    expectTypeOf(factory)
      .parameter(0)
      .toEqualTypeOf<{ everyMs?: number | undefined; at: string } | undefined>();
    expectTypeOf(factory({ at: '1' })).toEqualTypeOf<Plugin>();
    // @ts-expect-error: everyMs is a number
    factory({ at: '1', everyMs: 'often' });
  });

  it('gives setup its services by their types, the optional ones perhaps not there', () => {
    definePlugin({
      ...base,
      requires: { inbox: services.inbox, time: clock },
      optional: { transport: services.transport },
      setup(_ctx, _options, deps) {
        expectTypeOf(deps.inbox).toEqualTypeOf<Inbox>();
        expectTypeOf(deps.time).toEqualTypeOf<{ now(): number }>();
        expectTypeOf(deps.transport).toEqualTypeOf<Transport | undefined>();
        // @ts-expect-error: not asked for
        deps.journal;
      },
    });
  });

  it('ties a service to what may be provided for it, and a hook to what its handler gets', () => {
    definePlugin({
      ...base,
      provides: [clock],
      setup(ctx) {
        expectTypeOf(ctx.logger).toEqualTypeOf<Logger>();
        ctx.provide(clock, { now: () => 0 });
        // @ts-expect-error: no clock
        ctx.provide(clock, { later: () => 0 });
        ctx.on('message', (delivery) => {
          expectTypeOf(delivery).toEqualTypeOf<Delivery>();
        });
        ctx.on('stop', (reason) => {
          expectTypeOf(reason).toBeString();
        });
        // @ts-expect-error: no such hook
        ctx.on('finish', () => {});
        // @ts-expect-error: there are two bands beside the normal one
        ctx.on('message', () => {}, { order: 'first' });
      },
    });
  });

  it('refuses a definition for another plugin API, and one without a name', () => {
    // @ts-expect-error: this kernel speaks version 1
    definePlugin({ ...base, apiVersion: 2, setup() {} });
    // @ts-expect-error: the name is required
    definePlugin({ version: '1.0.0', apiVersion: 1, setup() {} });
  });
});
