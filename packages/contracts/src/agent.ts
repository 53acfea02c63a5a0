import { z } from 'zod';
import type { AuthEvent, AuthStatus } from './auth.ts';
import type { KeyRotation, RotateKeyOptions } from './key-rotation.ts';
import type { Secret } from './secret.ts';

/**
 * An agent's public id: used in paths, headers and file names, so it holds letters, digits and `.`, `_`, `+`, `-` only,
 * begins with a letter or digit, has no `..`, and is at most 64 characters.
 */
export const agentIdSchema = z
  .string()
  .regex(
    /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/,
    'an agent id is 1 to 64 letters, digits, ".", "_", "+" or "-", begins with a letter or digit, and has no ".."',
  );

/** What a registry knows about an agent: who it is, its key, and where and how its backend is reached. */
export const agentCredentialSchema = z.object({
  agentId: agentIdSchema,
  displayName: z.string().min(1),
  /** The whole key in plain text. The store encrypts it; everything else holds it as a {@link Secret}. */
  apiKey: z.string().min(1),
  /** Where the backend answers; `local:` for the embedded one. */
  apiBaseUrl: z.string().min(1),
  classification: z.string().optional(),
  privacyTier: z.enum(['public', 'discoverable', 'private']),
  capabilities: z.array(z.string()),
  skills: z.array(z.string()),
  transportType: z.enum(['local', 'http', 'sse', 'websocket']),
  transportConfig: z.record(z.string(), z.unknown()),
  isActive: z.boolean(),
  /** RFC 3339. */
  lastUsedAt: z.string().optional(),
  /** When the backend issued the key, RFC 3339: the key's age counts from here, whatever else is written. */
  keyIssuedAt: z.string().optional(),
  createdAt: z.string(),
  updatedAt: z.string(),
});

/** What {@link agentCredentialSchema} reads. */
export type AgentCredential = z.infer<typeof agentCredentialSchema>;

/** What a caller gives to register: the rest has defaults. */
export type NewAgentCredential = Pick<AgentCredential, 'agentId' | 'apiKey'> & Partial<AgentCredential>;

/**
 * The registry of agent credentials on this machine. Any object of this shape serves.
 *
 * Methods reject with `E_NOT_FOUND_AGENT` where an agent must exist and does not.
 */
export interface AgentRegistryAPI {
  /** Stores a credential; one that exists already is replaced. */
  register(credential: NewAgentCredential): Promise<AgentCredential>;
  /** The credential of an agent, its key in plain text; `null` where there is none. */
  get(agentId: string): Promise<AgentCredential | null>;
  /** Every credential, or only those that are active, or are not. */
  list(filter?: { active?: boolean }): Promise<AgentCredential[]>;
  /** Changes what `patch` names. Another `apiKey` is taken for one issued now, unless `keyIssuedAt` says otherwise. */
  update(agentId: string, patch: Partial<Omit<AgentCredential, 'agentId'>>): Promise<AgentCredential>;
  /** Forgets the agent and its key. The backend is told nothing. */
  remove(agentId: string): Promise<void>;
  /**
   * Asks the backend for a new key, stores it, and answers it whole. One rotation at a time: who comes while one runs gets
   * its result, and one that was cut short goes on. Rejects without harm: the old key stays in use then.
   */
  rotateKey(agentId: string, options?: RotateKeyOptions): Promise<{ agentId: string; newApiKey: string }>;
  /** The rotation that is under way, or whose old key is not forgotten yet. Absent: a registry that does not tell. */
  rotation?(agentId: string): Promise<KeyRotation | null>;
  /** Forgets the key that a finished rotation replaced; does nothing while there is none. */
  retireKey?(agentId: string): Promise<void>;
  /** The most recently used active agent. */
  getActive(): Promise<AgentCredential | null>;
  /** Makes it the most recently used agent. */
  markUsed(agentId: string): Promise<void>;
}

/** A credential as components see it: the key wrapped. */
export interface Credential {
  readonly agentId: string;
  readonly apiKey: Secret;
  readonly apiBaseUrl: string;
  readonly transportType: AgentCredential['transportType'];
  readonly transportConfig: Readonly<Record<string, unknown>>;
}

/**
 * Who this process is, and its current key. No component stores a key: it asks {@link credential} for each request, so
 * a rotation is seen everywhere at once.
 *
 * The optional members came later. Whoever sends requests uses `refreshCredential`, which does without them.
 */
export interface Agent {
  /** Known once the plugin that provides it has run its `init`. */
  readonly id: string;
  /** What is in use now. Ask anew for each request. Throws before the plugin that provides it has run its `init`. */
  credential(): Credential;
  /** Runs after the credential changed. Returns the unsubscribe function. */
  onChange(listener: (credential: Credential) => void): () => void;
  /** A backend refused the current key. The holder re-reads its source; the state becomes visible to the operator. */
  reportUnauthorized(cause: unknown): void;
  /**
   * A backend answered 401 to `refused`, with `cause`. Resolves with whether {@link credential} now has another key: a
   * request that changes nothing when repeated is then sent again, once. All who come at once share one look. Never rejects.
   */
  refresh?(refused: Secret, cause: unknown): Promise<boolean>;
  /** A backend took `accepted`. Ends the state `failed` when that is the current key; costs nothing otherwise. */
  reportAccepted?(accepted: Secret): void;
  /** Whether the backend takes the current key, how old that is, and a rotation of it. */
  auth?(): AuthStatus;
  /** Runs after the key was refused, taken again, or replaced. Returns the unsubscribe function. */
  onAuth?(listener: (event: AuthEvent) => void): () => void;
}
