import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { WireError } from '@cleocode/contracts';
import type { Database } from '@cleocode/sqlite';
import type { Context } from './context.ts';
import { requireAgent } from './conversations.ts';
import { agentNotFound, constraint } from './errors.ts';
import { sha256, timeOf } from './ids.ts';
import { validAgentId, validIdempotencyKey } from './validate.ts';

const DEFAULT_OVERLAP_S = 600;
const MAX_OVERLAP_S = 86_400;

/** How a key is replaced. */
export interface RotateOptions {
  /** How long the old key goes on working. Default 600, at most 86,400; 0 ends it at once. */
  overlapSeconds?: number;
  /**
   * Asked again with the same value inside the overlap, the same new key is answered. It should be random, such as a
   * UUID: together with this file it gives the key.
   */
  idempotencyKey?: string;
  /**
   * The overlap begins no earlier than the first use of the new key: until then the old one works on. For whoever might
   * lose the answer, and be away for longer than the overlap. Does nothing with an overlap of 0. Default `false`.
   */
  keepUntilUsed?: boolean;
}

/** What proves who an agent is. Keys are compared in constant time; only their SHA-256 is stored. */
export interface Keys {
  /** Resolves when `apiKey` is a live key of the agent; rejects with a 401 `WireError` otherwise. */
  authenticate(agentId: string, apiKey: string): Promise<void>;
  /**
   * Makes the first key of an agent that has none, and answers it, this once. Rejects with `E_CONFLICT_ALREADY_EXISTS`
   * when the agent has a live key: {@link rotateKey} replaces that one.
   */
  generateKey(agentId: string): Promise<{ agentId: string; apiKey: string }>;
  /**
   * Makes a new key and answers it, this once. The old one works until `previousKeyExpiresAt`, and longer only where
   * `keepUntilUsed` asks for that; of the keys before it none does, so that two are live at most.
   */
  rotateKey(
    agentId: string,
    options?: RotateOptions,
  ): Promise<{ agentId: string; apiKey: string; previousKeyExpiresAt: string }>;
}

interface KeyRow {
  hash: string;
  expires_at: number | null;
  salt: Uint8Array | null;
  idempotency_hash: string | null;
  kept_ms: number | null;
}

const SELECT = 'SELECT hash, expires_at, salt, idempotency_hash, kept_ms FROM keys WHERE agent = ?';
const INSERT = `
  INSERT INTO keys (hash, agent, issued_at, salt, idempotency_hash) VALUES (?, ?, ?, ?, ?)`;
const BEGIN_OVERLAP = `
  UPDATE keys SET expires_at = max(expires_at, ? + kept_ms), kept_ms = NULL WHERE agent = ? AND kept_ms IS NOT NULL`;

export function keys({ db, now }: Context): Keys {
  return {
    async authenticate(agentId, apiKey) {
      const given = Buffer.from(sha256(apiKey), 'hex');
      const rows = db.sql(SELECT).all(agentId) as unknown as KeyRow[];
      // Every stored hash is compared, in constant time; an agent without one costs a comparison too.
      let match: KeyRow | undefined;
      for (const row of rows) if (timingSafeEqual(Buffer.from(row.hash, 'hex'), given)) match = row;
      if (rows.length === 0) timingSafeEqual(given, given);
      if (!match) throw refused('E_AUTH_INVALID_TOKEN', agentId, 'the API key is not one of agent');
      if (!isLive(match, now()))
        throw refused('E_AUTH_EXPIRED_TOKEN', agentId, 'the key was rotated for agent');
      const isFirstUse = match.expires_at === null && rows.some((row) => row.kept_ms !== null);
      if (isFirstUse) await db.write(() => db.sql(BEGIN_OVERLAP).run(now(), agentId));
    },

    async generateKey(agentId) {
      validAgentId(agentId);
      const at = now();
      return db.write(() => {
        requireAgent(db, agentId);
        const rows = db.sql(SELECT).all(agentId) as unknown as KeyRow[];
        if (rows.some((row) => isLive(row, at))) throw hasKey(agentId);
        return { agentId, apiKey: issueKey(db, agentId, at) };
      });
    },

    async rotateKey(agentId, options = {}) {
      validAgentId(agentId);
      const overlapMs = validOverlap(options.overlapSeconds) * 1000;
      const idempotencyKey = validIdempotencyKey(options.idempotencyKey);
      const at = now();
      return db.write(() => {
        const again = idempotencyKey && repeated(db, agentId, idempotencyKey, at);
        if (again) return again;
        const expiresAt = at + overlapMs;
        const keptMs = options.keepUntilUsed && overlapMs > 0 ? overlapMs : null;
        db.sql('DELETE FROM keys WHERE agent = ? AND expires_at IS NOT NULL').run(agentId);
        const { changes } = db
          .sql('UPDATE keys SET expires_at = ?, kept_ms = ? WHERE agent = ?')
          .run(expiresAt, keptMs, agentId);
        if (changes === 0) throw agentNotFound(agentId);
        const apiKey = issueKey(db, agentId, at, idempotencyKey);
        return { agentId, apiKey, previousKeyExpiresAt: timeOf(expiresAt) };
      });
    },
  };
}

/** Stores the hash of a new key and answers the key, inside a write. */
export function issueKey(db: Database, agentId: string, now: number, idempotencyKey?: string): string {
  const salt = randomBytes(32);
  const apiKey = deriveKey(salt, agentId, idempotencyKey);
  const idempotencyHash = idempotencyKey ? sha256(`${agentId}\n${idempotencyKey}`) : null;
  db.sql(INSERT).run(sha256(apiKey), agentId, now, idempotencyKey ? salt : null, idempotencyHash);
  return apiKey;
}

/** The answer of the rotation that `idempotencyKey` made, while the key before it lives. */
function repeated(db: Database, agentId: string, idempotencyKey: string, now: number) {
  const rows = db.sql(SELECT).all(agentId) as unknown as KeyRow[];
  const hash = sha256(`${agentId}\n${idempotencyKey}`);
  const made = rows.filter((row) => row.idempotency_hash === hash && isLive(row, now));
  if (made.length === 0) return undefined;
  const current = made.find((row) => row.expires_at === null);
  if (!current)
    throw new WireError(
      'E_CONFLICT_DUPLICATE',
      `a later rotation has replaced this one for agent ${agentId}`,
      {
        hint: 'Use the key of the later rotation.',
      },
    );
  const previous = rows.find((row) => row.expires_at !== null && isLive(row, now));
  if (!previous) return undefined;
  const expiresAt = Math.max(previous.expires_at!, previous.kept_ms === null ? 0 : now + previous.kept_ms);
  return {
    agentId,
    apiKey: deriveKey(current.salt!, agentId, idempotencyKey),
    previousKeyExpiresAt: timeOf(expiresAt),
  };
}

/** `salt` is 32 random bytes, used for one key: the result is as random, and needs `idempotencyKey` to be found again. */
function deriveKey(salt: Uint8Array, agentId: string, idempotencyKey = ''): string {
  return `sk_live_${createHmac('sha256', salt).update(`${agentId}\n${idempotencyKey}`).digest('hex')}`;
}

function isLive(row: KeyRow, now: number): boolean {
  return row.expires_at === null || row.expires_at > now || row.kept_ms !== null;
}

function validOverlap(seconds: number = DEFAULT_OVERLAP_S): number {
  if (Number.isFinite(seconds) && seconds >= 0 && seconds <= MAX_OVERLAP_S) return seconds;
  throw constraint(`overlapSeconds: ${seconds} is not between 0 and ${MAX_OVERLAP_S}`);
}

function hasKey(agentId: string): WireError {
  return new WireError('E_CONFLICT_ALREADY_EXISTS', `Agent has a key already: ${agentId}`, {
    hint: 'Use that key, or rotate it when it is lost.',
    details: { agentId },
  });
}

function refused(
  code: 'E_AUTH_INVALID_TOKEN' | 'E_AUTH_EXPIRED_TOKEN',
  agentId: string,
  why: string,
): WireError {
  return new WireError(code, `Authentication required: ${why} ${agentId}`, {
    hint: 'Use the newest key, or rotate it where the backend runs: cleo agent rotate-key.',
    details: { agentId },
  });
}
