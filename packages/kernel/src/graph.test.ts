import { defineService, type ServiceRef } from '@cleocode/contracts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type GraphNode, orderPlugins } from './graph.ts';
import { define, kernelOf, rejection } from './kernel.test.kit.ts';

const ref = (id: string) => defineService<object>(id);

function node(name: string, parts: { requires?: string[]; optional?: string[]; provides?: string[] } = {}) {
  const refs = (ids: string[] = []): ServiceRef<unknown>[] => ids.map(ref);
  return {
    name,
    requires: refs(parts.requires),
    optional: refs(parts.optional),
    provides: refs(parts.provides),
  };
}

const names = (nodes: readonly GraphNode[]) => nodes.map(({ name }) => name);

function failureOf(nodes: GraphNode[], builtin: string[] = []): unknown {
  try {
    orderPlugins(nodes, builtin);
  } catch (error) {
    return error;
  }
  throw new Error('it was ordered');
}

it('keeps the order of the configuration where nobody depends on anybody', () => {
  expect(names(orderPlugins([node('c'), node('a'), node('b')], []))).toEqual(['c', 'a', 'b']);
});

it('moves a plugin behind what it requires and no further', () => {
  const nodes = [
    node('needs db', { requires: ['db'] }),
    node('free'),
    node('db', { provides: ['db'] }),
    node('last'),
  ];
  expect(names(orderPlugins(nodes, []))).toEqual(['free', 'db', 'needs db', 'last']);
});

it('puts a plugin behind an optional service when some plugin provides it', () => {
  const user = node('user', { optional: ['cache'] });
  const cache = node('cache', { provides: ['cache'] });
  expect(names(orderPlugins([user, cache], []))).toEqual(['cache', 'user']);
  expect(names(orderPlugins([user], []))).toEqual(['user']);
});

it('takes a service of the kernel itself for granted', () => {
  expect(names(orderPlugins([node('a', { requires: ['inbox'] })], ['inbox']))).toEqual(['a']);
});

it('names the service that nobody provides and who requires it', () => {
  expect(failureOf([node('a', { requires: ['clock'] })])).toMatchObject({
    code: 'E_SERVICE_MISSING',
    message: 'a requires the service "clock", which no plugin provides',
    hint: 'Add a plugin that provides "clock".',
    plugin: 'a',
    phase: 'setup',
  });
  expect(failureOf([node('a', { requires: ['agent'] })])).toMatchObject({
    hint: 'Set "agent" in the configuration, or add a plugin that provides "agent".',
  });
});

it('names both plugins that provide one service', () => {
  const nodes = [node('a', { provides: ['clock'] }), node('b', { provides: ['clock'] })];
  expect(failureOf(nodes)).toMatchObject({
    code: 'E_SERVICE_DUPLICATE',
    message: 'service "clock" is provided by both a and b',
    hint: 'Remove a or b from the plugins.',
    plugin: 'b',
  });
});

it('prints a cycle from a plugin back to itself, without those that merely wait for it', () => {
  const nodes = [
    node('waits', { requires: ['a'] }),
    node('a', { requires: ['c'], provides: ['a'] }),
    node('b', { requires: ['a'], provides: ['b'] }),
    node('c', { requires: ['b'], provides: ['c'] }),
  ];
  expect(failureOf(nodes)).toMatchObject({
    code: 'E_SERVICE_CYCLE',
    message: "plugins need each other's services: a -> c -> b -> a",
    plugin: 'a',
  });
});

it('counts a plugin that needs its own service, and a need that is optional, as cycles too', () => {
  expect(failureOf([node('self', { requires: ['me'], provides: ['me'] })])).toMatchObject({
    code: 'E_SERVICE_CYCLE',
    message: "plugins need each other's services: self -> self",
  });
  const nodes = [
    node('a', { optional: ['b'], provides: ['a'] }),
    node('b', { requires: ['a'], provides: ['b'] }),
  ];
  expect(failureOf(nodes)).toMatchObject({ message: "plugins need each other's services: a -> b -> a" });
});

/** Plugins `p0…pn`, each providing the service of its own name; an edge says who needs whose. */
const anyGraph = fc.integer({ min: 1, max: 12 }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    edges: fc.array(fc.record({ from: fc.nat(size - 1), to: fc.nat(size - 1), optional: fc.boolean() }), {
      maxLength: 24,
    }),
  }),
);

type Graph = typeof anyGraph extends fc.Arbitrary<infer T> ? T : never;

function needs({ edges }: Graph, index: number, optional?: boolean): string[] {
  const own = edges.filter(({ from }) => from === index);
  const chosen = own.filter((edge) => optional === undefined || edge.optional === optional);
  return [...new Set(chosen.map(({ to }) => `p${to}`))];
}

function nodesOf(graph: Graph): GraphNode[] {
  return Array.from({ length: graph.size }, (_, index) =>
    node(`p${index}`, {
      requires: needs(graph, index, false),
      optional: needs(graph, index, true),
      provides: [`p${index}`],
    }),
  );
}

/** The order by its definition: again and again the first plugin of the configuration that waits for nobody. */
function reference(graph: Graph): string[] | undefined {
  const order: string[] = [];
  while (order.length < graph.size) {
    const next = Array.from({ length: graph.size }, (_, index) => index).find(
      (index) => !order.includes(`p${index}`) && needs(graph, index).every((name) => order.includes(name)),
    );
    if (next === undefined) return undefined;
    order.push(`p${next}`);
  }
  return order;
}

it('orders any graph by its dependencies with ties in the order of the configuration, or prints a real cycle', () => {
  fc.assert(
    fc.property(anyGraph, (graph) => {
      const expected = reference(graph);
      if (expected) return void expect(names(orderPlugins(nodesOf(graph), []))).toEqual(expected);
      const error = failureOf(nodesOf(graph));
      expect(error).toMatchObject({ code: 'E_SERVICE_CYCLE' });
      const loop = (error as Error).message.split(': ')[1]!.split(' -> ');
      expect(loop.length).toBeGreaterThan(1);
      expect(loop.at(-1)).toBe(loop[0]);
      for (const [at, name] of loop.slice(0, -1).entries())
        expect(needs(graph, Number(name.slice(1)))).toContain(loop[at + 1]);
    }),
    { numRuns: 500 },
  );
});

it('starts the plugins of any graph in that order and stops them in the exact reverse', async () => {
  await fc.assert(
    fc.asyncProperty(anyGraph, async (graph) => {
      const started: string[] = [];
      const stopped: string[] = [];
      const plugins = nodesOf(graph).map(({ name, requires, optional, provides }) =>
        define({
          name,
          requires: Object.fromEntries(requires.map((one) => [one.id, one])),
          optional: Object.fromEntries(optional.map((one) => [one.id, one])),
          provides,
          setup(ctx, _options, deps) {
            for (const one of [...requires, ...optional]) expect(deps).toHaveProperty(one.id, one.id);
            ctx.provide(provides[0]!, name);
            ctx.on('start', () => void started.push(name));
            ctx.on('stop', () => void stopped.push(name));
          },
        })(),
      );
      const kernel = kernelOf({ plugins });
      const expected = reference(graph);
      if (!expected) {
        expect(await rejection(kernel.start())).toMatchObject({ code: 'E_SERVICE_CYCLE' });
        expect(started).toEqual([]);
        return;
      }
      await kernel.start();
      expect(kernel.describe().plugins.map(({ name }) => name)).toEqual(expected);
      expect(started).toEqual(expected);
      await kernel.stop();
      expect(stopped).toEqual(expected.toReversed());
    }),
    { numRuns: 100 },
  );
});
