import type { Transport } from '@cleocode/contracts';
import { isPlugin, type Plugin, type PluginFactory } from '@cleocode/kernel';
import { type HeartbeatOptions, heartbeat } from '@cleocode/plugin-heartbeat';
import { type KeyRotationOptions, keyRotation } from '@cleocode/plugin-key-rotation';
import { type PollerOptions, poller } from '@cleocode/plugin-poller';
import type { SseOptions } from '@cleocode/plugin-sse';
import { store } from '@cleocode/store';
import { type Backend, transportPlugins } from './transport.ts';

/** What the plugins of an agent are made from. */
export interface Composition {
  /** The state folder: `state.db`, and `signaldock.db` for the embedded backend. */
  stateDir: string;
  /** Who runs, and where its backend answers. The key is not needed: the store knows it. */
  credential: Backend;
  /** For the poller; laid over the options it has when `plugins` holds one. */
  poller?: PollerOptions;
  /** For the heartbeat, the same way. */
  heartbeat?: HeartbeatOptions;
  /** For the rotation of the key, the same way. */
  keyRotation?: KeyRotationOptions;
  /** For the stream of an HTTP backend, the same way. */
  sse?: SseOptions;
  /** The agent's own plugins, in their order. */
  plugins?: readonly Plugin[];
  /** The agent's own transport. */
  transport?: Plugin | Transport | undefined;
}

/**
 * The plugins of a resident agent: the default ones (store, transport by the credential, poller, key rotation, heartbeat, the
 * stream that goes with the transport), then its own. They end in reverse, the stream first and the store last.
 *
 * A default plugin is left out when the agent brings one of the same name, or one that provides a service it would
 * provide. Rejects with `E_TRANSPORT_UNAVAILABLE` when no transport serves the credential's backend.
 */
export async function composePlugins(composition: Composition): Promise<Plugin[]> {
  const { stateDir, credential, transport } = composition;
  const own = await Promise.all(
    (composition.plugins ?? []).map((plugin) => withOptions(plugin, composition)),
  );
  const brought = [...own, ...(isPlugin(transport) ? [transport] : [])];
  const isGiven = transport !== undefined || brought.some(provides('transport'));
  const [itsTransport, ...itsStream] = isGiven ? [] : await transportPlugins(composition);
  const defaults = [
    store({ dir: stateDir, agent: credential.agentId }),
    ...(itsTransport ? [itsTransport] : []),
    poller(composition.poller),
    keyRotation(composition.keyRotation),
    heartbeat(composition.heartbeat),
    ...itsStream,
  ];
  const standard = defaults.filter((plugin) => !brought.some((one) => replaces(one, plugin)));
  // Whoever brings another holder of the key may have none that can be rotated.
  const rotates = [...standard, ...own].some(provides('registry'));
  return [...standard.filter((plugin) => rotates || !isNamed(plugin, keyRotation)), ...own];
}

const SSE = '@cleocode/plugin-sse';

function replaces(own: Plugin, standard: Plugin): boolean {
  return isNamed(own, standard) || idsOf(standard).some((id) => provides(id)(own));
}

function provides(id: string): (plugin: Plugin) => boolean {
  return (plugin) => idsOf(plugin).includes(id);
}

function idsOf({ definition }: Plugin): string[] {
  return (definition.provides ?? []).map((ref) => ref.id);
}

function isNamed(plugin: Plugin, { definition }: Pick<Plugin, 'definition'>): boolean {
  return plugin.definition.name === definition.name;
}

async function withOptions(plugin: Plugin, given: Composition): Promise<Plugin> {
  const laidOver = <O extends object>(make: PluginFactory<O>, options: O | undefined) =>
    options && isNamed(plugin, make) ? make({ ...(plugin.options as O | undefined), ...options }) : undefined;
  return (
    laidOver(poller, given.poller) ??
    laidOver(keyRotation, given.keyRotation) ??
    laidOver(heartbeat, given.heartbeat) ??
    // Loaded only where there is one.
    (given.sse && plugin.definition.name === SSE
      ? laidOver((await import('@cleocode/plugin-sse')).sse, given.sse)
      : undefined) ??
    plugin
  );
}
