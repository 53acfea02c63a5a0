import { randomUUID } from 'node:crypto';
import { type ConduitMessage, services, type Transport } from '@cleocode/contracts';
import type { AgentConfig, KernelTimeouts } from '../config/types.ts';
import type { InboxOptions } from '../inbox/options.ts';
import { createKernel, type Kernel, type KernelConfig } from '../kernel.ts';
import { createLogger, type LogRecord } from '../logger.ts';
import { isPlugin, type Plugin } from '../plugin.ts';

/** Retries without the wait that keeps a real agent polite. */
const INBOX: InboxOptions = { retryBaseMs: 1, retryMaxMs: 10 };

/** Long enough for a busy machine, short enough for somebody who waits for a test. */
const TIMEOUTS: KernelTimeouts = {
  initMs: 5_000,
  startMs: 5_000,
  messageMs: 10_000,
  drainMs: 2_000,
  stopMs: 2_000,
};

export type Parts = Omit<KernelConfig, 'logger' | 'transport'> & {
  transport: Transport | Plugin;
};

/** A kernel for a test: it keeps what it logs, and waits shorter than a real one. Its `transport` gives way to a plugin's. */
export function compose({ agent, transport, plugins = [], inbox, timeouts }: Parts): {
  kernel: Kernel;
  logs: LogRecord[];
} {
  const logs: LogRecord[] = [];
  const brought = plugins.some(
    (plugin) =>
      isPlugin(plugin) && plugin.definition.provides?.some(({ id }) => id === services.transport.id),
  );
  const kernel = createKernel({
    agent: withKey(agent),
    transport: brought ? undefined : transport,
    plugins,
    inbox: { ...INBOX, ...inbox },
    timeouts: { ...TIMEOUTS, ...timeouts },
    logger: createLogger('debug', (record) => logs.push(record)),
  });
  return { kernel, logs };
}

/** A message as somebody sent it a moment ago, with an id of its own. */
export function messageOf(parts: string | Partial<ConduitMessage> = {}): ConduitMessage {
  return {
    id: randomUUID(),
    from: 'someone',
    content: 'hello',
    timestamp: new Date().toISOString(),
    ...(typeof parts === 'string' ? { content: parts } : parts),
  };
}

function withKey(agent: string | AgentConfig = 'test-agent'): AgentConfig {
  const given = typeof agent === 'string' ? { id: agent } : agent;
  return { apiKey: `sk_test_${randomUUID().replaceAll('-', '')}`, ...given };
}
