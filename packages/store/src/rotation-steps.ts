import { randomUUID } from 'node:crypto';
import type { AgentCredential, IssuedKey, KeyRotation } from '@cleocode/contracts';
import type { CredentialTable } from './credential-table.ts';
import { seal, unseal } from './seal.ts';

/** A row of the table `key_rotations`. */
export interface RotationRow {
  agent_id: string;
  id: string;
  state: KeyRotation['state'];
  begun_at: string;
  next_key: Uint8Array | null;
  next_issued_at: string | null;
  overlap_ends_at: string | null;
  previous_key: Uint8Array | null;
  previous_issued_at: string | null;
  previous_expires_at: string | null;
}

/** Where a rotation is now. */
export interface Standing {
  id: string;
  state: KeyRotation['state'];
  credential: AgentCredential;
  /** In the state `stored`. */
  nextKey?: string;
  /** In the state `stored`: whether the key it replaces works beside it. */
  overlaps: boolean;
}

const COLUMNS = [
  ...['agent_id', 'id', 'state', 'begun_at', 'next_key', 'next_issued_at', 'overlap_ends_at'],
  ...['previous_key', 'previous_issued_at', 'previous_expires_at'],
];
const PUT = `INSERT OR REPLACE INTO key_rotations (${COLUMNS}) VALUES (${COLUMNS.map((name) => `:${name}`)})`;
const NO_NEXT = { next_key: null, next_issued_at: null, overlap_ends_at: null };
const NO_PREVIOUS = { previous_key: null, previous_issued_at: null, previous_expires_at: null };

/**
 * The steps of a rotation, each one transaction, so that a crash leaves it before or after a step and never inside. A step
 * that another process has done already changes nothing.
 */
export class RotationSteps {
  readonly #credentials: CredentialTable;
  readonly #onChanged: (what?: { forget: boolean }) => Promise<void>;

  /** `onChanged` runs after each step that changed something; `forget`: a key is to be gone. It never rejects. */
  constructor(credentials: CredentialTable, onChanged: (what?: { forget: boolean }) => Promise<void>) {
    this.#credentials = credentials;
    this.#onChanged = onChanged;
  }

  /** The key that is in use. Throws `E_NOT_FOUND_AGENT`. */
  credential(agentId: string): AgentCredential {
    return this.#credentials.read(agentId);
  }

  rotation(agentId: string): KeyRotation | null {
    const row = this.#find(agentId);
    if (!row) return null;
    const { state, begun_at: begunAt, previous_expires_at: previousKeyExpiresAt } = row;
    return { state, begunAt, ...(state === 'active' && previousKeyExpiresAt && { previousKeyExpiresAt }) };
  }

  /** Begins a rotation, or finds the one that was cut short. */
  begin(agentId: string): Promise<Standing> {
    return this.#step(() => {
      const found = this.#find(agentId);
      const credential = this.#credentials.read(agentId);
      if (found && found.state !== 'active') {
        const standing = this.#standing(found, credential);
        if (found.state === 'intent' || standing.nextKey !== undefined) return standing;
        // The pending key was damaged: the backend answers it again.
        this.#put({ ...found, ...NO_NEXT, state: 'intent' });
        return { ...standing, state: 'intent' };
      }
      const row: RotationRow = {
        ...NO_PREVIOUS,
        // The key before may be needed until there is another: a backend may have refused the one in use by mistake.
        ...found,
        ...NO_NEXT,
        agent_id: agentId,
        id: randomUUID(),
        state: 'intent',
        begun_at: new Date().toISOString(),
      };
      this.#put(row);
      return this.#standing(row, credential);
    });
  }

  /** Keeps the key that the backend has made. */
  stored(
    agentId: string,
    id: string,
    issued: IssuedKey & { issuedAt: string },
  ): Promise<Standing | undefined> {
    return this.#step(() => {
      const row = this.#find(agentId);
      if (row?.id !== id) return undefined;
      const credential = this.#credentials.read(agentId);
      if (row.state !== 'intent') return this.#standing(row, credential);
      const stored: RotationRow = {
        ...row,
        state: 'stored',
        next_key: this.#seal(agentId, 'nextKey', issued.apiKey),
        next_issued_at: issued.issuedAt,
        overlap_ends_at: issued.previousKeyExpiresAt ?? null,
      };
      this.#put(stored);
      return this.#standing(stored, credential);
    });
  }

  /** The backend does not take the key it has made: it is to be asked again, in the same words. */
  askAgain(agentId: string, id: string): Promise<void> {
    return this.#step(() => {
      const row = this.#find(agentId);
      if (row?.id === id && row.state === 'stored') this.#put({ ...row, ...NO_NEXT, state: 'intent' });
    });
  }

  /** The backend says that another rotation has replaced this one: the next one begins anew. */
  giveUp(agentId: string, id: string): Promise<void> {
    return this.#step(() => {
      const row = this.#find(agentId);
      if (row?.id !== id || row.state !== 'intent') return;
      if (row.previous_key) this.#put({ ...row, state: 'active' });
      else this.clear(agentId);
    });
  }

  /** Puts the pending key in use. Answers the key that is in use then, whoever put it there. */
  activate(agentId: string, id: string): Promise<AgentCredential> {
    return this.#step(() => {
      const row = this.#find(agentId);
      const next = row?.id === id ? this.#unseal(agentId, 'nextKey', row.next_key) : undefined;
      return row && next !== undefined ? this.#activate(row, next) : this.#credentials.read(agentId);
    });
  }

  /** Forgets the key that was replaced. */
  retire(agentId: string): Promise<void> {
    return this.#step(
      () => {
        if (this.#find(agentId)?.state === 'active') this.clear(agentId);
      },
      { forget: true },
    );
  }

  /**
   * The backend refuses the key in use: takes the pending one, else the one that was replaced last, unless it is one of `refused`
   * too. No key is lost by it. Answers whether another key is in use now.
   */
  useAnother(agentId: string, refused: ReadonlySet<string>): Promise<boolean> {
    return this.#step(() => {
      const row = this.#find(agentId);
      const credential = this.#credentials.read(agentId);
      if (!refused.has(credential.apiKey)) return true;
      if (!row) return false;
      const next = this.#unseal(agentId, 'nextKey', row.next_key);
      if (next !== undefined && !refused.has(next)) {
        this.#activate(row, next);
        return true;
      }
      const previous = this.#unseal(agentId, 'previousKey', row.previous_key);
      if (previous === undefined || refused.has(previous)) return false;
      this.#put({
        ...row,
        previous_key: this.#seal(agentId, 'previousKey', credential.apiKey),
        previous_issued_at: credential.keyIssuedAt ?? null,
        // Nobody knows when that one ends.
        previous_expires_at: null,
      });
      this.#use(credential, previous, row.previous_issued_at);
      return true;
    });
  }

  /** Inside a write: whatever was under way is over. */
  clear(agentId: string): void {
    this.#credentials.db.sql('DELETE FROM key_rotations WHERE agent_id = ?').run(agentId);
  }

  /** For a backup. */
  all(): RotationRow[] {
    return this.#credentials.db
      .sql('SELECT * FROM key_rotations ORDER BY agent_id')
      .all() as unknown as RotationRow[];
  }

  /** Inside a write: puts a row of a backup back. */
  restore(row: RotationRow): void {
    this.#put(row);
  }

  #activate(row: RotationRow, nextKey: string): AgentCredential {
    const { agent_id: agentId, next_issued_at, overlap_ends_at } = row;
    const credential = this.#credentials.read(agentId);
    // Without an overlap the old key died when the new one was made.
    if (overlap_ends_at === null) this.clear(agentId);
    else
      this.#put({
        ...row,
        ...NO_NEXT,
        state: 'active',
        previous_key: this.#seal(agentId, 'previousKey', credential.apiKey),
        previous_issued_at: credential.keyIssuedAt ?? null,
        previous_expires_at: overlap_ends_at,
      });
    return this.#use(credential, nextKey, next_issued_at);
  }

  #use(before: AgentCredential, apiKey: string, keyIssuedAt: string | null): AgentCredential {
    const { keyIssuedAt: _, ...rest } = before;
    const updatedAt = new Date().toISOString();
    const credential = { ...rest, apiKey, ...(keyIssuedAt !== null && { keyIssuedAt }), updatedAt };
    this.#credentials.put(credential, this.#credentials.existing(before.agentId).turn);
    return credential;
  }

  #standing(row: RotationRow, credential: AgentCredential): Standing {
    const { agent_id: agentId, id, state, next_key, overlap_ends_at } = row;
    const nextKey = this.#unseal(agentId, 'nextKey', next_key);
    const overlaps = overlap_ends_at !== null;
    return { id, state, credential, overlaps, ...(nextKey !== undefined && { nextKey }) };
  }

  async #step<T>(work: () => T, what?: { forget: boolean }): Promise<T> {
    let changed = false;
    const result = await this.#credentials.db.write(() => {
      const before = this.#changes();
      const done = work();
      changed = this.#changes() !== before;
      return done;
    });
    if (changed) await this.#onChanged(what);
    return result;
  }

  /** Rows changed by this connection so far. */
  #changes(): number {
    return (this.#credentials.db.sql('SELECT total_changes() AS n').get() as { n: number }).n;
  }

  #find(agentId: string): RotationRow | undefined {
    return this.#credentials.db
      .sql('SELECT * FROM key_rotations WHERE agent_id = ?')
      .get(agentId) as unknown as RotationRow | undefined;
  }

  #put(row: RotationRow): void {
    this.#credentials.db.sql(PUT).run({ ...row });
  }

  #seal(agentId: string, field: string, key: string): Buffer {
    return seal(this.#credentials.keyForReading(), { agentId, field }, key);
  }

  /** `undefined` also for what was damaged: a slot beside the key in use is a help, and never a hindrance. */
  #unseal(agentId: string, field: string, sealed: Uint8Array | null): string | undefined {
    const machineKey = this.#credentials.keyForReading();
    try {
      return sealed ? unseal(machineKey, { agentId, field }, sealed) : undefined;
    } catch {
      return undefined;
    }
  }
}
