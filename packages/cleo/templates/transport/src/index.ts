import { services } from '@cleocode/contracts';
import { definePlugin, packageVersion } from '@cleocode/kernel';
import { z } from 'zod';
import { TemplateTransport } from './transport.ts';

export { TemplateTransport, type TemplateTransportOptions } from './transport.ts';

// strictObject: a misspelt option is refused, and named.
const options = z.strictObject({
  /** The deadline of each request, in milliseconds. */
  timeoutMs: z.int().min(1).max(600_000).default(10_000),
});

/** The transport as a plugin: connected in `init`, disconnected last of all. */
export const templateTransport = definePlugin({
  name: 'cleo-plugin-template',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  requires: { agent: services.agent },
  provides: [services.transport],
  setup(ctx, given, { agent }) {
    const transport = new TemplateTransport(given);
    ctx.provide(services.transport, transport);
    ctx.on('init', async () => {
      ctx.defer(() => transport.disconnect());
      const { apiKey, apiBaseUrl } = agent.credential();
      await transport.connect({ agentId: agent.id, apiKey: apiKey.reveal(), apiBaseUrl, agent });
    });
  },
});

// By default, so that a configuration can name the package.
export default templateTransport;
