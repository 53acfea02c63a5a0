import type { ServiceRef } from '@cleocode/contracts';
import { KernelError } from './errors.ts';

/** Services that the configuration itself can name. */
const CONFIGURABLE = ['agent', 'transport'];

/** What ordering needs to know of a plugin. */
export interface GraphNode {
  name: string;
  requires: readonly ServiceRef<unknown>[];
  optional: readonly ServiceRef<unknown>[];
  provides: readonly ServiceRef<unknown>[];
}

/**
 * Orders plugins so that a service is provided before it is used; plugins that do not depend on each other keep the order
 * they were given in.
 *
 * `builtin` names services the kernel gives. Throws `E_SERVICE_DUPLICATE`, `E_SERVICE_MISSING` and `E_SERVICE_CYCLE`,
 * each naming the service and the plugins.
 */
export function orderPlugins<N extends GraphNode>(nodes: readonly N[], builtin: readonly string[]): N[] {
  const providers = providersOf(nodes);
  const waitsFor = new Map<N, Set<N>>();
  for (const node of nodes) {
    const needs = new Set<N>();
    for (const ref of node.requires) {
      const provider = providers.get(ref.id);
      if (provider) needs.add(provider);
      else if (!builtin.includes(ref.id)) throw missing(node, ref);
    }
    for (const ref of node.optional) {
      const provider = providers.get(ref.id);
      if (provider) needs.add(provider);
    }
    waitsFor.set(node, needs);
  }

  const ordered: N[] = [];
  const waiting = [...nodes];
  while (waiting.length > 0) {
    const next = waiting.findIndex((node) =>
      [...waitsFor.get(node)!].every((need) => ordered.includes(need)),
    );
    if (next < 0) throw cycle(waiting, waitsFor);
    ordered.push(...waiting.splice(next, 1));
  }
  return ordered;
}

function providersOf<N extends GraphNode>(nodes: readonly N[]): Map<string, N> {
  const providers = new Map<string, N>();
  for (const node of nodes)
    for (const ref of node.provides) {
      const holder = providers.get(ref.id);
      if (holder)
        throw new KernelError(
          'E_SERVICE_DUPLICATE',
          `service "${ref.id}" is provided by both ${holder.name} and ${node.name}`,
          {
            plugin: node.name,
            phase: 'setup',
            hint: `Remove ${holder.name} or ${node.name} from the plugins.`,
          },
        );
      providers.set(ref.id, node);
    }
  return providers;
}

function missing(node: GraphNode, ref: ServiceRef<unknown>): KernelError {
  return new KernelError(
    'E_SERVICE_MISSING',
    `${node.name} requires the service "${ref.id}", which no plugin provides`,
    {
      plugin: node.name,
      phase: 'setup',
      hint: `${CONFIGURABLE.includes(ref.id) ? `Set "${ref.id}" in the configuration, or add` : 'Add'} a plugin that provides "${ref.id}".`,
    },
  );
}

/** Every plugin still waiting waits for another one still waiting: following any of them runs into the cycle. */
function cycle<N extends GraphNode>(waiting: readonly N[], waitsFor: Map<N, Set<N>>): KernelError {
  const path: N[] = [];
  let node = waiting[0]!;
  while (!path.includes(node)) {
    path.push(node);
    node = [...waitsFor.get(node)!].find((need) => waiting.includes(need))!;
  }
  const loop = [...path.slice(path.indexOf(node)), node].map(({ name }) => name);
  return new KernelError('E_SERVICE_CYCLE', `plugins need each other's services: ${loop.join(' -> ')}`, {
    plugin: loop[0]!,
    phase: 'setup',
    hint: 'Split one of these plugins, so that what it provides no longer needs what it uses.',
  });
}
