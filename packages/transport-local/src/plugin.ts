import { errorText, services } from '@cleocode/contracts';
import { definePlugin, packageVersion } from '@cleocode/kernel/define';
import { z } from 'zod';
import { LocalTransport } from './local-transport.ts';

const options = z.strictObject({
  /** The dock's file. Default: `signaldock.db` in the state folder. */
  file: z.string().min(1).optional(),
  /** The state folder. Default: `CLEO_DIR`, or the nearest `.cleo` from the working directory upwards. */
  dir: z.string().min(1).optional(),
});

/** Options of {@link localTransport}. */
export type LocalTransportPluginOptions = z.input<typeof options>;

/** The embedded backend as the kernel's transport: connected in `init`, disconnected last of all. */
export const localTransport = definePlugin({
  name: '@cleocode/transport-local',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  requires: { agent: services.agent },
  provides: [services.transport],
  setup(ctx, { file, dir }, { agent }) {
    const transport = new LocalTransport({
      ...(file !== undefined && { file }),
      ...(dir !== undefined && { dir }),
      onError: (error) => ctx.logger.error(`a subscription failed: ${errorText(error)}`),
    });
    ctx.provide(services.transport, transport);
    ctx.on('init', async () => {
      ctx.defer(() => transport.disconnect());
      await transport.connect({ agentId: agent.id });
    });
  },
});
