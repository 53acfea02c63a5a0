import { services, type Transport } from '@cleocode/contracts';
import { definePlugin, type Plugin } from './plugin.ts';

/** Makes a transport that somebody already built into a plugin: connected in `init`, disconnected last of all. */
export function transportPlugin(transport: Transport): Plugin {
  return definePlugin<never, never, { agent: typeof services.agent }>({
    name: `transport:${transport.name}`,
    version: '0.0.0',
    apiVersion: 1,
    requires: { agent: services.agent },
    provides: [services.transport],
    setup(ctx, _options, { agent }) {
      ctx.provide(services.transport, transport);
      ctx.on('init', async () => {
        const { apiKey, apiBaseUrl, transportConfig } = agent.credential();
        ctx.defer(() => transport.disconnect());
        await transport.connect({
          ...transportConfig,
          agentId: agent.id,
          apiKey: apiKey.reveal(),
          apiBaseUrl,
          agent,
        });
      });
    },
  })();
}
