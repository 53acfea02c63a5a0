import { errorText, services } from '@cleocode/contracts';
import { definePlugin } from '@cleocode/kernel';
import { z } from 'zod';
import { SocketTransport } from './transport.ts';

export { SocketTransport, type SocketTransportOptions } from './transport.ts';

/** The transport for a configuration: connected in `init`, disconnected last of all. */
const socketTransport = definePlugin({
  name: 'cleo-transport-socket',
  version: '1.0.0',
  apiVersion: 1,
  options: z.strictObject({
    /** The path of the broker's Unix socket, or `host:port`. */
    address: z.string().min(1),
    /** How long an answer may take, in milliseconds. */
    timeoutMs: z.int().positive().max(600_000).default(10_000),
  }),
  requires: { agent: services.agent },
  provides: [services.transport],
  setup(ctx, options, { agent }) {
    const onError = (error: unknown) => ctx.logger.error(`a subscription failed: ${errorText(error)}`);
    const transport = new SocketTransport({ ...options, onError });
    ctx.provide(services.transport, transport);
    ctx.on('init', async () => {
      const { apiKey, apiBaseUrl } = agent.credential();
      ctx.defer(() => transport.disconnect());
      await transport.connect({ agentId: agent.id, apiKey: apiKey.reveal(), apiBaseUrl, agent });
    });
  },
});

export default socketTransport;
