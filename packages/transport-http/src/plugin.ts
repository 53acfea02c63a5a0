import { errorText, services } from '@cleocode/contracts';
import { definePlugin } from '@cleocode/kernel/define';
import { z } from 'zod';
import { HttpTransport } from './http-transport.ts';
import { VERSION } from './version.ts';

/** As long as a timer can wait. */
const milliseconds = z
  .int()
  .min(1)
  .max(2 ** 31 - 1);
const pem = z.string().min(1);

const options = z.strictObject({
  /** Allows plain http to another machine. Only where nobody else can listen on the way. Default `false`. */
  allowInsecure: z.boolean().optional(),
  /** PEM certificates to trust instead of the public ones. */
  ca: pem.or(z.array(pem)).optional(),
  /** Milliseconds until there must be a connection. Default 3,000. */
  connectTimeoutMs: milliseconds.optional(),
  /** Milliseconds from a request to the headers of its answer. Default 10,000. */
  headersTimeoutMs: milliseconds.optional(),
  /** Milliseconds between two pieces of an answer. Default 10,000. */
  bodyTimeoutMs: milliseconds.optional(),
  /** Milliseconds for a call in all, with retries and waiting. Default 20,000. */
  timeoutMs: milliseconds.optional(),
  /** Bytes an answer may have. Default 64 MiB. */
  maxResponseBytes: z.int().min(1).optional(),
});

/** Options of {@link httpTransport}. */
export type HttpTransportPluginOptions = z.input<typeof options>;

/**
 * A SignalDock server as the kernel's transport: connected in `init`, without a request, and disconnected last of all. The
 * address and the key are those of the agent; the key is asked for anew with each request.
 */
export const httpTransport = definePlugin({
  name: '@cleocode/transport-http',
  version: VERSION,
  apiVersion: 1,
  options,
  requires: { agent: services.agent },
  provides: [services.transport],
  setup(ctx, given, { agent }) {
    const transport = new HttpTransport({
      ...given,
      onError: (error) => ctx.logger.error(errorText(error)),
    });
    ctx.provide(services.transport, transport);
    ctx.on('init', async () => {
      ctx.defer(() => transport.disconnect());
      await transport.connect({ agentId: agent.id, apiBaseUrl: agent.credential().apiBaseUrl, agent });
    });
  },
});
