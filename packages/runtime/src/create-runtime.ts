import type { ConduitMessage, Transport } from '@cleocode/contracts';
import {
  createKernel,
  type Delivery,
  definePlugin,
  type Kernel,
  type KernelState,
  type PluginContext,
  packageVersion,
  type StopReport,
} from '@cleocode/kernel';
import type { PresenceMonitor } from '@cleocode/plugin-heartbeat';
import type { KeyRotationMonitor } from '@cleocode/plugin-key-rotation';
import { type PollerMonitor, pollerMonitor } from '@cleocode/plugin-poller';
import { type SseMonitor, sseMonitor } from '@cleocode/plugin-sse';
import { credentialOf } from '@cleocode/store';
import { type AgentHealth, agentHealth, type HealthSources, healthServices } from './health.ts';
import {
  checkedConfig,
  checkedRegistry,
  type RuntimeConfig,
  type RuntimeRegistry,
  unusable,
} from './runtime-config.ts';
import { hasStream, runtimePlugins } from './runtime-plugins.ts';

/**
 * Handles one message. Resolving means that it may be acked; throwing, that this handler wants it again later. `delivery` holds
 * the attempt, the signal, and `reply`.
 */
export type RuntimeMessageHandler = (message: ConduitMessage, delivery: Delivery) => unknown;

/** A part of the runtime that brings messages. */
export interface MessageSource {
  /** Adds a handler for every message, whatever brings it; several may be added. Returns the function that takes it away. */
  onMessage(handler: RuntimeMessageHandler): () => void;
}

/** How the agent is, and who it is. */
export type RuntimeStatus = AgentHealth & {
  agentId: string;
  /** `running` between the start and the stop. */
  state: KernelState;
};

/** An agent at work. `start` and `stop` of a member resume and pause that part alone. */
export interface RuntimeHandle {
  readonly agentId: string;
  readonly transport: Transport;
  readonly poller: PollerMonitor & MessageSource;
  /** `null` where `heartbeatIntervalMs` is 0. */
  readonly heartbeat: PresenceMonitor | null;
  /** `null` where `maxKeyAgeMs` is 0. */
  readonly keyRotation: KeyRotationMonitor | null;
  /** `null` where there is no stream: the backend is in this process, or the transport was given. */
  readonly sseConnection: (SseMonitor & MessageSource) | null;
  /** How the agent is, as far as its parts can prove it. */
  status(): RuntimeStatus;
  /**
   * Ends it: what is being handled may finish first, then the stream, heartbeat, key rotation, poller and transport end, in this
   * order. Never rejects, so that nobody has to wait; called again, it answers the same report.
   */
  stop(reason?: string): Promise<StopReport>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Runs an agent of the registry: opens the transport of its backend, polls, tells that it is there, keeps its key young.
 * Resolves when it works.
 *
 * Rejects with `E_RUNTIME_OPTIONS` and `E_NO_AGENT`, and with what a part of it could not start with; nothing runs then.
 */
export async function createRuntime(
  given: RuntimeRegistry,
  config: RuntimeConfig = {},
): Promise<RuntimeHandle> {
  const checked = checkedConfig(config);
  const registry = checkedRegistry(given);
  const credential = await credentialOf(registry, checked.agentId);
  const { agentId } = credential;
  const { createSseTransport, sseEndpoint } = checked;
  const unused = sseEndpoint !== undefined && !createSseTransport && !hasStream(credential);
  const warnings = unused ? [`sseEndpoint is not used: ${credential.apiBaseUrl} has no stream`] : [];
  let hand: Hand | undefined;
  const own = handPlugin(warnings, (given) => {
    hand = given;
  });
  const kernel = createKernel({
    agent: agentId,
    ...(await runtimePlugins({ registry, credential, config: checked, own: [own] })),
    logger: checked.logger,
  });
  await kernel.start();
  return new Runtime(agentId, kernel, hand!, checked);
}

/** What the plugin of this runtime was given. */
interface Hand {
  ctx: PluginContext;
  sources: HealthSources & {
    transport: Transport;
    poller: PollerMonitor;
    presence: PresenceMonitor | undefined;
    keyRotation: KeyRotationMonitor | undefined;
    sse: SseMonitor | undefined;
  };
}

/** The runtime's own place among the plugins: it adds the handlers, and knows the others. */
function handPlugin(warnings: readonly string[], take: (hand: Hand) => void) {
  return definePlugin({
    name: '@cleocode/runtime',
    version: packageVersion(import.meta.url),
    apiVersion: 1,
    requires: { ...healthServices.requires, poller: pollerMonitor },
    optional: { ...healthServices.optional, sse: sseMonitor },
    setup(ctx, _options, sources) {
      for (const warning of warnings) ctx.logger.warn(warning);
      take({ ctx, sources });
    },
  })();
}

class Runtime implements RuntimeHandle {
  readonly agentId: string;
  readonly transport: Transport;
  readonly poller: RuntimeHandle['poller'];
  readonly heartbeat: RuntimeHandle['heartbeat'];
  readonly keyRotation: RuntimeHandle['keyRotation'];
  readonly sseConnection: RuntimeHandle['sseConnection'];
  readonly #kernel: Kernel;
  readonly #sources: HealthSources;

  constructor(
    agentId: string,
    kernel: Kernel,
    { ctx, sources }: Hand,
    config: { heartbeatIntervalMs: number; maxKeyAgeMs: number },
  ) {
    const { transport, poller, presence, keyRotation, sse } = sources;
    const onMessage = (handler: RuntimeMessageHandler): (() => void) => {
      if (typeof handler !== 'function') throw unusable('onMessage: expected a function');
      return ctx.on('message', (delivery) => handler(delivery.message, delivery));
    };
    this.agentId = agentId;
    this.transport = transport;
    this.poller = { ...poller, onMessage };
    this.heartbeat = config.heartbeatIntervalMs > 0 ? (presence ?? null) : null;
    this.keyRotation = config.maxKeyAgeMs > 0 ? (keyRotation ?? null) : null;
    this.sseConnection = sse ? { ...sse, onMessage } : null;
    this.#kernel = kernel;
    this.#sources = sources;
  }

  status(): RuntimeStatus {
    return { agentId: this.agentId, state: this.#kernel.state, ...agentHealth(this.#sources) };
  }

  stop(reason?: string): Promise<StopReport> {
    return this.#kernel.stop(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
