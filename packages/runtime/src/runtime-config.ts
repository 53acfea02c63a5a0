import {
  type AgentCredential,
  type AgentRegistryAPI,
  agentIdSchema,
  CleoError,
  MAX_TIMER_MS,
  type Transport,
} from '@cleocode/contracts';
import { isTransport, type Logger } from '@cleocode/kernel';
import { z } from 'zod';

const DAY_MS = 24 * 3_600_000;

const milliseconds = z.int().positive().max(MAX_TIMER_MS);
const isFunction = (value: unknown) => typeof value === 'function';

export const config = z.strictObject({
  /** The agent to run as. Default: the most recently active one of the registry. */
  agentId: agentIdSchema.optional(),
  /** Milliseconds between two polls. Beside a live stream the poller slows down. */
  pollIntervalMs: milliseconds.default(5_000),
  /** Conversations to follow for messages that mention the agent. */
  groupConversationIds: z.array(z.string().min(1)).default([]),
  /** How many of a group's newest messages count when it is followed for the first time. */
  groupPollLimit: z.int().min(1).max(200).default(15),
  /** The longest wait between two heartbeats, in milliseconds; 0 tells nobody anything. */
  heartbeatIntervalMs: z.int().nonnegative().max(MAX_TIMER_MS).default(30_000),
  /** A key is replaced before it is this old, in milliseconds; 0 replaces none. */
  maxKeyAgeMs: z
    .number()
    .nonnegative()
    .default(30 * DAY_MS),
  /** Where the stream is: a path below the API base, or a URL of the same origin. Default: as the credential says. */
  sseEndpoint: z.string().min(1).optional(),
  /** Makes the transport that brings messages by its `subscribe`, in place of the stream of an HTTP backend. */
  createSseTransport: z.custom<CreateSseTransport>(isFunction, 'expected a function').optional(),
  /** Made by the caller, connected or not; it is disconnected at the end. Default: as the credential's backend needs. */
  transport: z.custom<Transport>(isTransport, 'expected a transport').optional(),
  /** Keeps the journal beside a registry of another make. Default: in memory. The registry of a store brings its own. */
  stateDir: z.string().min(1).optional(),
  /** Where the runtime writes. Default: warnings and errors, as lines on stderr. */
  logger: z
    .custom<Logger>((value) => isFunction((value as Logger | null)?.child), 'expected a logger')
    .optional(),
});

/** A transport with `subscribe`, not connected. Called again after its connection broke, and for a new key. */
export type CreateSseTransport = () => Transport | Promise<Transport>;

/**
 * What `createRuntime` needs of a registry. An `AgentRegistryAPI` has it, and so has the registry of the earlier runtime; what
 * else one has, such as `rotation`, is used.
 */
export interface RuntimeRegistry {
  get(agentId: string): Promise<RuntimeCredential | null>;
  /** The most recently active agent. */
  getActive(): Promise<RuntimeCredential | null>;
  markUsed(agentId: string): Promise<unknown>;
  /** Asks the backend for a new key, and stores it: `get` answers it from then on. */
  rotateKey(agentId: string): Promise<{ agentId: string; newApiKey: string }>;
}

/** What of a credential {@link createRuntime} reads. */
export type RuntimeCredential = Pick<AgentCredential, 'agentId' | 'apiKey' | 'apiBaseUrl'> & {
  /** `sseEndpoint` and `allowInsecure` are read. */
  transportConfig?: object;
};

/** The second argument of {@link createRuntime}. Everything has a default; unknown keys are refused. */
export type RuntimeConfig = z.input<typeof config>;
export type CheckedConfig = z.output<typeof config>;

/** With the defaults. Throws `E_RUNTIME_OPTIONS`, with a line for each fault. */
export function checkedConfig(given: RuntimeConfig): CheckedConfig {
  const result = config.safeParse(given);
  if (result.success) return result.data;
  const lines = result.error.issues.map(({ path, message }) =>
    [path.join('.'), message].filter(Boolean).join(': '),
  );
  throw unusable(lines.join('\n'));
}

/** The same object, which may lack what nobody here asks for. Throws `E_RUNTIME_OPTIONS` for what is no registry. */
export function checkedRegistry(registry: RuntimeRegistry): AgentRegistryAPI {
  const missing = ['get', 'getActive', 'markUsed', 'rotateKey'].filter(
    (method) => !isFunction((registry as object as Record<string, unknown> | null | undefined)?.[method]),
  );
  if (missing.length > 0)
    throw unusable(`registry: expected a registry of agent credentials, it has no ${missing.join(', ')}`);
  return registry as AgentRegistryAPI;
}

export function unusable(message: string): CleoError {
  return new CleoError('E_RUNTIME_OPTIONS', `createRuntime: ${message}`, {
    hint: 'Correct what the message names; the README of @cleocode/runtime lists every option.',
  });
}
