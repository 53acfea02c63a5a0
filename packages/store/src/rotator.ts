import { join } from 'node:path';
import {
  type AgentCredential,
  CleoError,
  isKeyRefused,
  type KeyIssuer,
  pause,
  type RotateKeyOptions,
  Secret,
  withDeadline,
} from '@cleocode/contracts';
import { acquireLock, type HeldLock } from '@cleocode/sqlite';
import { busy, noIssuer, notNew, notTaken, timedOut } from './rotation-errors.ts';
import type { RotationSteps, Standing } from './rotation-steps.ts';

/** What a backend may take to make a key, and to take it. */
const ISSUE_MS = 30_000;
const VERIFY_MS = 15_000;
/** Times of issue are known to the second; an overlap that is shorter is none. */
const LEAST_OVERLAP_MS = 1_000;
/** Another process holds the lock for less than this, unless something is wrong with it. */
const LOCK_MS = 60_000;
const TOTAL_MS = LOCK_MS + ISSUE_MS + VERIFY_MS + 15_000;
/** How often to look whether the other process has brought a new key. */
const LOOK_MS = 50;
/** To look whether it is gone blocks for a moment: at first with each second look, then with every fortieth. */
const LOOKS_PER_TRY = { first: 2, last: 40 };

interface Running {
  result: Promise<AgentCredential>;
  abort: AbortController;
  waiting: number;
}

/** Carries rotations through their steps, one at a time for each agent, in this process and beside others. */
export class Rotator {
  readonly #steps: RotationSteps;
  readonly #lockFolder: string;
  readonly #issuer: KeyIssuer | undefined;
  readonly #running = new Map<string, Running>();

  /** `issuer`: asked where a caller brings none. */
  constructor(steps: RotationSteps, lockFolder: string, issuer?: KeyIssuer) {
    this.#steps = steps;
    this.#lockFolder = lockFolder;
    this.#issuer = issuer;
  }

  /** Callers that come while a rotation runs share it; it goes on while one of them waits. */
  async rotate(agentId: string, { signal, ...options }: RotateKeyOptions): Promise<AgentCredential> {
    signal?.throwIfAborted();
    const run = this.#running.get(agentId) ?? this.#begin(agentId, options);
    run.waiting += 1;
    try {
      return await withDeadline(run.result, TOTAL_MS, () => timedOut('the rotation', TOTAL_MS), signal);
    } finally {
      run.waiting -= 1;
      if (run.waiting === 0) this.#end(agentId, run);
    }
  }

  #begin(agentId: string, options: RotateKeyOptions): Running {
    const abort = new AbortController();
    const run = { result: this.#rotate(agentId, options, abort.signal), abort, waiting: 0 };
    run.result.catch(() => {}); // Whoever waits for it hears of it.
    this.#running.set(agentId, run);
    return run;
  }

  /** Nobody waits for it any more: it is over, or was given up. */
  #end(agentId: string, run: Running): void {
    run.abort.abort(new Error('the rotation was given up'));
    if (this.#running.get(agentId) === run) this.#running.delete(agentId);
  }

  async #rotate(agentId: string, options: RotateKeyOptions, signal: AbortSignal): Promise<AgentCredential> {
    const issuer = options.issuer ?? this.#issuer;
    const { replaces = this.#steps.credential(agentId).apiKey } = options;
    if (!issuer) throw noIssuer(agentId);
    const lock = await this.#lock(agentId, replaces, signal);
    try {
      const current = this.#steps.credential(agentId);
      // Another process has rotated it meanwhile: a second time at once would end the key that is still in use everywhere.
      if (!lock || current.apiKey !== replaces) return current;
      let at = await this.#steps.begin(agentId);
      if (at.state === 'intent') {
        const issued = await this.#issue(issuer, at, options, signal);
        const stored = await this.#steps.stored(agentId, at.id, issued);
        if (!stored) return this.#steps.credential(agentId);
        at = stored;
      }
      // Where the old key is dead there is nothing to fall back on: the new one proves itself in use.
      if (at.overlaps) await this.#verify(issuer, at, signal);
      return await this.#steps.activate(agentId, at.id);
    } finally {
      lock?.release();
    }
  }

  async #issue(
    issuer: KeyIssuer,
    { id: idempotencyKey, credential }: Standing,
    { overlapSeconds }: RotateKeyOptions,
    signal: AbortSignal,
  ) {
    const { agentId } = credential;
    const asked = { idempotencyKey, signal, ...(overlapSeconds !== undefined && { overlapSeconds }) };
    try {
      const answer = await withDeadline(
        issuer.issue(credential, asked),
        ISSUE_MS,
        () => timedOut('making a new key', ISSUE_MS),
        signal,
      );
      const { apiKey, issuedAt, previousKeyExpiresAt } = answer;
      if (typeof apiKey !== 'string' || apiKey === '' || apiKey === credential.apiKey) throw notNew(agentId);
      const told = Date.parse(issuedAt ?? '');
      const issued = Number.isNaN(told) ? issuer.now?.() : told;
      const endsAt = Date.parse(previousKeyExpiresAt ?? '');
      // An end by the backend's clock says nothing beside the clock of this machine.
      const overlaps = issued === undefined ? !Number.isNaN(endsAt) : endsAt - issued > LEAST_OVERLAP_MS;
      return {
        apiKey,
        issuedAt: new Date(issued ?? Date.now()).toISOString(),
        ...(overlaps && { previousKeyExpiresAt: previousKeyExpiresAt! }),
      };
    } catch (error) {
      if (CleoError.is(error, 'E_CONFLICT_DUPLICATE')) await this.#steps.giveUp(agentId, idempotencyKey);
      throw error;
    }
  }

  async #verify(
    issuer: KeyIssuer,
    { id, credential, nextKey }: Standing,
    signal: AbortSignal,
  ): Promise<void> {
    if (!issuer.verify || nextKey === undefined) return;
    const { agentId } = credential;
    try {
      await withDeadline(
        issuer.verify(new Secret(nextKey), { signal }),
        VERIFY_MS,
        () => timedOut('verifying the new key', VERIFY_MS),
        signal,
      );
    } catch (error) {
      if (!isKeyRefused(error)) throw error;
      await this.#steps.askAgain(agentId, id);
      throw notTaken(agentId, error);
    }
  }

  /** `undefined`: another process held it, and `key` is not the key in use any more. */
  async #lock(agentId: string, key: string, signal: AbortSignal): Promise<HeldLock | undefined> {
    const file = join(this.#lockFolder, `${agentId}.lock`);
    const until = performance.now() + LOCK_MS;
    for (let looks = LOOKS_PER_TRY.first; ; looks = Math.min(looks * 2, LOOKS_PER_TRY.last)) {
      try {
        return acquireLock(file);
      } catch (error) {
        if (!CleoError.is(error, 'E_ALREADY_RUNNING')) throw error;
        if (performance.now() > until) throw busy(agentId, error);
      }
      for (let look = 0; look < looks; look += 1) {
        await pause(LOOK_MS, signal);
        signal.throwIfAborted();
        if (this.#steps.credential(agentId).apiKey !== key) return undefined;
      }
    }
  }
}
