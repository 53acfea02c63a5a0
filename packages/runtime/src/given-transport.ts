import { services, type Transport, Waiters } from '@cleocode/contracts';
import { definePlugin, type Plugin } from '@cleocode/kernel';
import { type ConnectSettings, connectAs } from './connect.ts';

/**
 * A transport that the caller made, as a plugin: connected in `init`, disconnected last of all. One that takes its key when it
 * connects, and only then, is connected again with each new one.
 */
export function givenTransport(transport: Transport, settings: ConnectSettings): Plugin {
  return definePlugin<never, never, { agent: typeof services.agent }>({
    name: `transport:${transport.name}`,
    version: '0.0.0',
    apiVersion: 1,
    requires: { agent: services.agent },
    provides: [services.transport],
    setup(ctx, _options, { agent }) {
      ctx.provide(services.transport, transport);
      const key = () => agent.credential().apiKey.reveal();
      let connectedWith = '';
      ctx.on('init', async () => {
        ctx.defer(() => transport.disconnect());
        connectedWith = key();
        await connectAs(agent, transport, settings);
      });
      if (!readsAgent(transport))
        ctx.on('start', () => {
          const changed = new Waiters();
          ctx.defer(agent.onChange(() => changed.wake()));
          ctx.task('new-key', async (signal) => {
            for (;;) {
              const wanted = key();
              if (wanted === connectedWith) await changed.wait(signal);
              else {
                await connectAs(agent, transport, settings, { again: true });
                connectedWith = wanted;
              }
            }
          });
        });
    },
  })();
}

/** Whoever knows what came after the earlier runtime asks the agent for its key, request by request. */
function readsAgent(transport: Transport): boolean {
  return CAPABILITIES.some((name) => transport[name] !== undefined);
}

const CAPABILITIES = [
  'fetchConversation',
  'heartbeat',
  'setStatus',
  'isOnline',
  'rotateKey',
  'verifyKey',
  'knock',
  'heard',
  'serverTime',
] as const satisfies readonly (keyof Transport)[];
