import assert from 'node:assert/strict';
import type { ServiceRef } from '@cleocode/contracts';
import { API_VERSION, isPlugin, isPluginFactory } from '../../plugin.ts';
import { type Check, check } from './rule.ts';
import { Trial, type TrialOptions } from './trial.ts';

/** As npm has it, with a path behind it for a package of several plugins. */
const NAME = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*(\/[a-z0-9._~-]+)*$/;
const SEMVER = /^\d+\.\d+\.\d+(-[\w.-]+)?(\+[\w.-]+)?$/;

export const definition: Check[] = [
  check('it is a factory whose definition has all that a kernel asks for', async (factory) => {
    assert.ok(isPluginFactory(factory), 'it is what definePlugin returned, not yet called');
    const { name, version, apiVersion, setup, requires, optional, late, provides } = factory.definition;
    assert.match(String(name), NAME, 'its name is the name of its package');
    assert.match(String(version), SEMVER, 'its version is one of semver');
    assert.equal(apiVersion, API_VERSION, 'its apiVersion is the one of this kernel');
    assert.equal(typeof setup, 'function', 'it has a setup');
    const used = [requires, optional, late].flatMap((refs) => Object.entries(refs ?? {}));
    for (const [key, ref] of [...used, ...Object.entries(provides ?? [])])
      assert.equal(
        typeof (ref as ServiceRef<unknown> | undefined)?.id,
        'string',
        `${key} is a service that defineService made`,
      );
    const ids = used.map(([, ref]) => (ref as ServiceRef<unknown>).id);
    assert.equal(new Set(ids).size, ids.length, 'it asks for each service once');
    for (const ref of provides ?? [])
      assert.ok(!ids.includes(ref.id), `it does not need ${ref.id} of itself`);
    const plugin = factory();
    assert.ok(isPlugin(plugin) && plugin.definition === factory.definition, 'called, it is a plugin');
  }),

  check('it provides the services it declares, and no other', async (factory, given) => {
    const provides = factory.definition.provides ?? [];
    const seen = new Map<string, unknown>();
    const looking: TrialOptions = {
      around: (own) => ({
        ...own,
        setup: (ctx, options, deps) =>
          own.setup(
            {
              ...ctx,
              provide(ref, implementation) {
                seen.set(ref.id, implementation);
                ctx.provide(ref, implementation);
              },
            },
            options,
            deps,
          ),
      }),
    };
    await Trial.with(factory, given, looking, (trial) => trial.prepare());
    for (const { id } of provides)
      assert.ok(seen.get(id) !== undefined && seen.get(id) !== null, `"${id}" is there`);
  }),
];
