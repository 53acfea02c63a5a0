import { hash } from 'node:crypto';
import {
  type Agent,
  type AgentCredential,
  type AgentRegistryAPI,
  backoff,
  type CleoError,
  type KeyIssuer,
  type KeyRotation,
  pause,
  type RequestOptions,
  withDeadline,
} from '@cleocode/contracts';
import { failure, late } from './errors.ts';
import { dueAge, KeyAge } from './key-age.ts';
import { SteadyClock } from './steady-clock.ts';

export interface KeyKeeperOptions {
  /** Known once it runs. */
  agentId(): string;
  registry: AgentRegistryAPI;
  /** Asks the backend. Default: what the registry was made with. */
  issuer?: KeyIssuer | undefined;
  /** Tells when the key is refused, or replaced by others. */
  agent?: Pick<Agent, 'auth' | 'onChange' | 'onAuth'> | undefined;
  /** A key is replaced before it is this old, in milliseconds; 0: whatever its age. */
  maxKeyAgeMs: number;
  /** The longest time between two looks, in milliseconds. */
  checkIntervalMs: number;
  /** How long the old key is to work beside the new one, where the backend can. Default: as the backend likes. */
  overlapSeconds?: number | undefined;
  random?: (() => number) | undefined;
  clock?: Pick<SteadyClock, 'now'> | undefined;
  /** A rotation has put another key in use. */
  onRotated(): void;
  /** Hears once of each trouble while it lasts. */
  onError(error: CleoError): void;
  /** A rotation succeeded after so many failures in a row. */
  onRecovered(failures: number): void;
}

/** Why the key is not replaced. */
export interface RotationProblem {
  /** `rotation_failed`, or `rotation_unsupported` where nothing can ask the backend for a new key. */
  code: 'rotation_failed' | 'rotation_unsupported';
  message: string;
  hint?: string;
}

/** How old the key is, and how far its rotation is. */
export interface KeyRotationStatus {
  running: boolean;
  /** When this process last rotated the key, RFC 3339; `null` before that. */
  lastRotationAt: string | null;
  /** By the backend's clock where that is known; absent before the first look. */
  keyAgeMs?: number;
  /** Milliseconds until the next rotation is due, not below 0; absent where none comes by age. */
  dueInMs?: number;
  /** Rotations in a row that failed. The old key stays in use meanwhile. */
  consecutiveFailures: number;
  /** Why they fail; absent while they do not. */
  problem?: RotationProblem;
  /** Milliseconds until the next try, while they fail. */
  retryInMs?: number;
  /** A rotation that is under way, or whose old key is not forgotten yet. */
  rotation?: KeyRotation;
}

/** A registry waits for a backend and for other processes, with limits of its own. */
const REGISTRY_MS = 150_000;
/** An answer that is on its way may be the only copy of the key: a stop gives it this long. */
const STOP_GRACE_MS = 2_000;
const RETRY_BASE_MS = 2_000;
const RETRY_CAP_MS = 5 * 60_000;
/** A longer Retry-After is taken for a mistake. */
const RETRY_AFTER_CAP_MS = 15 * 60_000;
/** The first look comes within this time, so that a rotation that a crash cut short goes on soon. */
const FIRST_WITHIN_MS = 5_000;
/** While the key is refused, the holder looks for another; nothing can be rotated. */
const REFUSED_MS = 30_000;
/** The longest a timer can wait; what is longer would fire at once. */
const MAX_TIMER_MS = 2_147_483_647;

/** Keeps the key of an agent young: begins rotations, carries on what was cut short, and forgets the old key in time. */
export class KeyKeeper {
  readonly #options: KeyKeeperOptions;
  readonly #random: () => number;
  readonly #clock: Pick<SteadyClock, 'now'>;
  readonly #age: KeyAge;
  #running = false;
  #lastRotationAt: string | null = null;
  #key: { age: number; at: number; due: number } | undefined;
  #rotation: KeyRotation | null = null;
  #failures = 0;
  #error: CleoError | undefined;
  #retryAt = 0;
  #unsupported = false;
  /** Ends the wait under way. */
  #interruption = new AbortController();

  constructor(options: KeyKeeperOptions) {
    const { issuer, random = Math.random, clock = new SteadyClock() } = options;
    this.#options = options;
    this.#random = random;
    this.#clock = clock;
    this.#age = new KeyAge({
      steady: () => clock.now(),
      backend: () => issuer?.now?.(),
      host: () => Date.now(),
    });
  }

  /** Works until `signal` aborts; a rotation that is under way then has 2 s to end. Call it once at a time. */
  async run(signal: AbortSignal): Promise<void> {
    const { agent, checkIntervalMs, maxKeyAgeMs } = this.#options;
    const look = () => this.#interruption.abort();
    const unlisten = [agent?.onChange(look), agent?.onAuth?.(look)];
    signal.addEventListener('abort', look);
    this.#running = true;
    try {
      const within = Math.min(FIRST_WITHIN_MS, checkIntervalMs, (maxKeyAgeMs || checkIntervalMs) / 10);
      await pause(within * this.#random(), signal);
      while (!signal.aborted) {
        // What happens during a look calls for another one.
        this.#interruption = new AbortController();
        const waitMs = await this.#look(signal);
        if (!signal.aborted)
          await pause(Math.min(waitMs, checkIntervalMs, MAX_TIMER_MS), this.#interruption.signal);
      }
    } finally {
      signal.removeEventListener('abort', look);
      for (const stop of unlisten) stop?.();
      this.#running = false;
    }
  }

  /** Rotates now, whatever the age of the key. Rejects with why it could not; the old key stays in use then. */
  async rotateNow({ signal }: RequestOptions = {}): Promise<void> {
    try {
      await this.#rotate(signal);
    } catch (error) {
      throw failure(this.#options.agentId(), error);
    }
    this.#interruption.abort();
  }

  status(): KeyRotationStatus {
    const now = this.#clock.now();
    const { maxKeyAgeMs } = this.#options;
    const age = this.#key && this.#key.age + (now - this.#key.at);
    return {
      running: this.#running,
      lastRotationAt: this.#lastRotationAt,
      ...(age !== undefined && { keyAgeMs: age }),
      ...(age !== undefined && maxKeyAgeMs > 0 && { dueInMs: Math.max(0, this.#key!.due - age) }),
      consecutiveFailures: this.#failures,
      ...(this.#error && { problem: this.#problem(this.#error) }),
      ...(this.#error && !this.#unsupported && { retryInMs: Math.max(0, this.#retryAt - now) }),
      ...(this.#rotation && { rotation: this.#rotation }),
    };
  }

  /** Does what is due, and answers how many milliseconds there is nothing to do. Never rejects. */
  async #look(signal: AbortSignal): Promise<number> {
    const { agentId, registry, agent, checkIntervalMs } = this.#options;
    try {
      const credential = await this.#bounded(registry.get(agentId()), signal);
      this.#rotation = (await this.#bounded(registry.rotation?.(agentId()), signal)) ?? null;
      if (!credential) return checkIntervalMs;
      const dueInMs = this.#untilDue(credential);
      const retireInMs = await this.#untilRetired(signal);
      const isDue = dueInMs <= 0 || (this.#rotation !== null && this.#rotation.state !== 'active');
      if (!isDue) this.#works();
      if (!isDue || this.#unsupported) return Math.min(dueInMs > 0 ? dueInMs : checkIntervalMs, retireInMs);
      if (agent?.auth?.().state === 'failed') return REFUSED_MS;
      const holdMs = this.#retryAt - this.#clock.now();
      if (holdMs > 0) return holdMs;
      await this.#rotate(signal, credential.apiKey);
      return 0;
    } catch (error) {
      return signal.aborted ? 0 : this.#failed(failure(agentId(), error));
    }
  }

  /** `replaces`: the key that was looked at; another process may have replaced it since. */
  async #rotate(signal: AbortSignal | undefined, replaces?: string): Promise<void> {
    const { agentId, registry, issuer, overlapSeconds, onRotated } = this.#options;
    const grace = later(signal, STOP_GRACE_MS);
    const options = {
      signal: grace.signal,
      ...(issuer && { issuer }),
      ...(overlapSeconds !== undefined && { overlapSeconds }),
      ...(replaces !== undefined && { replaces }),
    };
    try {
      await this.#bounded(registry.rotateKey(agentId(), options), grace.signal);
    } finally {
      grace.end();
    }
    this.#lastRotationAt = new Date().toISOString();
    onRotated();
    this.#works();
  }

  /** A key was rotated, or none has to be: by this process, or by another one. */
  #works(): void {
    const failures = this.#failures;
    this.#failures = 0;
    this.#error = undefined;
    this.#retryAt = 0;
    if (failures > 0) this.#options.onRecovered(failures);
  }

  /** A registry that does not answer keeps nobody from stopping. */
  #bounded<T>(work: Promise<T> | undefined, signal: AbortSignal | undefined): Promise<T | undefined> {
    if (!work) return Promise.resolve(undefined);
    return withDeadline(work, REGISTRY_MS, () => late(this.#options.agentId(), REGISTRY_MS), signal);
  }

  /** Milliseconds until the key is due; below 0 when it is, and infinite where its age does not count. */
  #untilDue({ agentId, keyIssuedAt, apiKey }: AgentCredential): number {
    const { maxKeyAgeMs } = this.#options;
    const key = keyIssuedAt ?? hash('sha256', apiKey);
    const age = this.#age.of(key, keyIssuedAt);
    const due = maxKeyAgeMs > 0 ? dueAge(agentId, key, maxKeyAgeMs) : Number.POSITIVE_INFINITY;
    this.#key = { age, at: this.#clock.now(), due };
    return due - age;
  }

  /** Forgets the old key once its overlap is over. Milliseconds until that is so; infinite where it is done, or unknown. */
  async #untilRetired(signal: AbortSignal): Promise<number> {
    const { agentId, registry, issuer, agent } = this.#options;
    if (this.#rotation?.state !== 'active' || !registry.retireKey) return Number.POSITIVE_INFINITY;
    const expiresAt = Date.parse(this.#rotation.previousKeyExpiresAt ?? '');
    if (Number.isNaN(expiresAt)) return Number.POSITIVE_INFINITY;
    const leftMs = expiresAt - (issuer?.now?.() ?? Date.now());
    if (leftMs > 0) return leftMs;
    // As long as the new key is refused, the old one may be of use.
    if (agent?.auth?.().state === 'failed') return REFUSED_MS;
    await this.#bounded(registry.retireKey(agentId()), signal);
    this.#rotation = null;
    return Number.POSITIVE_INFINITY;
  }

  #failed(error: CleoError): number {
    const isNews = this.#error?.code !== error.code;
    this.#unsupported = error.code === 'E_ROTATE_UNAVAILABLE';
    // Between three quarters and the whole of it, so that an hour has fewer than thirty tries.
    const own = backoff(this.#failures, RETRY_BASE_MS, RETRY_CAP_MS, () => 0.5 + this.#random() / 2);
    const asked = Math.min(error.retryAfterMs ?? 0, RETRY_AFTER_CAP_MS) * (1 + this.#random() / 10);
    const waitMs = Math.max(own, asked);
    this.#retryAt = this.#clock.now() + waitMs;
    this.#failures += 1;
    this.#error = error;
    if (isNews) this.#options.onError(error);
    return waitMs;
  }

  #problem({ message, hint }: CleoError): RotationProblem {
    return {
      code: this.#unsupported ? 'rotation_unsupported' : 'rotation_failed',
      message,
      ...(hint !== undefined && { hint }),
    };
  }
}

/** A signal that aborts `ms` milliseconds after another one. */
function later(signal: AbortSignal | undefined, ms: number): { signal: AbortSignal; end(): void } {
  const own = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const onAbort = () => {
    timer = setTimeout(() => own.abort(signal?.reason), ms);
  };
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted) onAbort();
  return {
    signal: own.signal,
    end() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}
