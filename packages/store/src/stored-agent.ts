import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Agent,
  type AgentCredential,
  type AgentRegistryAPI,
  type AuthEvent,
  type AuthProblem,
  type AuthStatus,
  CleoError,
  type Credential,
  errorText,
  isAuthError,
  isKeyRefused,
  type KeyRotation,
  Secret,
} from '@cleocode/contracts';
import type { Logger } from '@cleocode/kernel';

/** What the agent reads its credential from. */
export interface CredentialSource extends Pick<AgentRegistryAPI, 'get' | 'rotation'> {
  /** Puts another key in use than the refused ones, where there is one. */
  useAnother?(agentId: string, refused: ReadonlySet<string>): Promise<boolean>;
}

/** A refused key will not get better by asking: three requests in the first ten seconds, then one in thirty. */
const RETRY_MS = [2_000, 6_000, 30_000] as const;
/** A backend that ends the old key at once does so before its answer, with the new one, is here. */
const ANSWER_MS = 3_000;
const ANSWER_LOOK_MS = 50;
/** A rotation that began longer ago was cut short. */
const UNDER_WAY_MS = 60_000;

/** The agent this process runs as: the one place that holds its current credential, kept in step with the registry. */
export class StoredAgent implements Agent {
  readonly id: string;
  readonly #source: CredentialSource;
  readonly #logger: Logger;
  readonly #listeners = new Set<(credential: Credential) => void>();
  readonly #authListeners = new Set<(event: AuthEvent) => void>();
  #stored: AgentCredential;
  #current: Credential;
  #rotation: KeyRotation | undefined;
  #reading: Promise<void> = Promise.resolve();
  /** The look for another key that is under way. */
  #looking: Promise<boolean> | undefined;
  /** The keys refused in this round of tries; `undefined` between two rounds. */
  #round: Set<string> | undefined;
  /** The key changes because this process puts another in use. */
  #exchanging = false;
  #failure: { problem: AuthProblem; times: number; retryAt: number } | undefined;
  /** What went wrong last, so that it is said once. */
  #trouble: string | undefined;
  readonly #answerMs: number;

  /** `answerMs`: how long a rotation that is under way is waited for when the key is refused. */
  constructor(stored: AgentCredential, source: CredentialSource, logger: Logger, answerMs = ANSWER_MS) {
    this.id = stored.agentId;
    this.#answerMs = answerMs;
    this.#source = source;
    this.#logger = logger;
    this.#stored = stored;
    this.#current = toCredential(stored);
  }

  credential(): Credential {
    return this.#current;
  }

  onChange(listener: (credential: Credential) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onAuth(listener: (event: AuthEvent) => void): () => void {
    this.#authListeners.add(listener);
    return () => this.#authListeners.delete(listener);
  }

  auth(): AuthStatus {
    const { keyIssuedAt } = this.#stored;
    const issuedMs = Date.parse(keyIssuedAt ?? '');
    return {
      state: this.#failure ? 'failed' : 'ok',
      ...(this.#failure && {
        problem: this.#failure.problem,
        retryInMs: Math.max(0, this.#failure.retryAt - performance.now()),
      }),
      ...(keyIssuedAt !== undefined && { keyIssuedAt }),
      ...(!Number.isNaN(issuedMs) && { keyAgeMs: Math.max(0, Date.now() - issuedMs) }),
      ...(this.#rotation && { rotation: this.#rotation }),
    };
  }

  reportUnauthorized(cause: unknown): void {
    // What the transport did not even ask for is no news; and a key that may not do something is a good key.
    if (isAuthError(cause) && (!isKeyRefused(cause) || isLocal(cause))) return;
    void this.#look(this.#stored.apiKey, cause, false);
  }

  refresh(refused: Secret, cause: unknown): Promise<boolean> {
    return this.#look(refused.reveal(), cause, true);
  }

  reportAccepted(accepted: Secret): void {
    if (!this.#failure && !this.#round) return;
    if (accepted.reveal() !== this.#stored.apiKey) return;
    this.#round = undefined;
    if (!this.#failure) return;
    this.#failure = undefined;
    this.#logger.info(`the backend takes the key of "${this.id}" again`);
    this.#tell({ state: 'ok' });
  }

  /** Reads the registry again and tells the listeners when the credential changed. Never rejects. */
  reload(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#read());
    return this.#reading;
  }

  /**
   * Looks for another key than `refused`, once for all who come until the key may be tried again. `exchange`: the caller knows
   * that it was this very key, so that the store may put another in its place.
   */
  async #look(refused: string, cause: unknown, exchange: boolean): Promise<boolean> {
    if (refused !== this.#stored.apiKey) return true;
    this.#looking ??= this.#lookOnce(refused, cause, exchange).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(refused: string, cause: unknown, exchange: boolean): Promise<boolean> {
    if (this.#failure && performance.now() < this.#failure.retryAt) return false;
    await this.#reloadAfterRotation(refused);
    if (this.#stored.apiKey !== refused) return true;
    this.#round ??= new Set();
    this.#round.add(refused);
    if (exchange && (await this.#useAnother(this.#round))) return true;
    this.#round = undefined;
    this.#failed(cause);
    return false;
  }

  async #reloadAfterRotation(refused: string): Promise<void> {
    const until = performance.now() + this.#answerMs;
    await this.reload();
    while (this.#stored.apiKey === refused && this.#isAwaitingKey && performance.now() < until) {
      await sleep(ANSWER_LOOK_MS, undefined, { ref: false });
      await this.reload();
    }
  }

  /** This process, or another one, has asked for a new key just now. */
  get #isAwaitingKey(): boolean {
    if (this.#rotation?.state !== 'intent') return false;
    return Math.abs(Date.now() - Date.parse(this.#rotation.begunAt)) < UNDER_WAY_MS;
  }

  async #useAnother(round: Set<string>): Promise<boolean> {
    const before = this.#stored.apiKey;
    this.#exchanging = true;
    try {
      if (!(await this.#source.useAnother?.(this.id, round))) return false;
      await this.reload();
    } catch (error) {
      this.#troubled(`the store cannot be asked for another key: ${errorText(error)}`);
    } finally {
      this.#exchanging = false;
    }
    return this.#stored.apiKey !== before;
  }

  #failed(cause: unknown): void {
    const problem = this.#problem();
    const times = (this.#failure?.times ?? 0) + 1;
    const waitMs = RETRY_MS[Math.min(times, RETRY_MS.length) - 1]! * (1 + Math.random() / 10);
    const isNews = this.#failure?.problem.code !== problem.code;
    this.#failure = { problem, times, retryAt: performance.now() + waitMs };
    if (!isNews) return;
    const { code, message, hint } = problem;
    this.#logger.error(message, { code, error: errorText(cause), hint });
    this.#tell({ state: 'failed', problem });
  }

  #problem(): AuthProblem {
    const { apiBaseUrl } = this.#stored;
    const hint = apiBaseUrl.startsWith('local:')
      ? `Give it another key: cleo agent stop ${this.id}, cleo agent remove ${this.id}, cleo agent register ${this.id}`
      : `Store one that it takes: cleo agent register ${this.id} --api-url ${apiBaseUrl} --api-key-stdin`;
    if (this.#rotation?.state !== 'intent')
      return { code: 'auth_failed', message: `the backend refuses the key of "${this.id}"`, hint };
    return {
      code: 'requires_reauth',
      message: `the backend refuses the key of "${this.id}" since it was asked for a new one, whose answer was lost`,
      hint,
    };
  }

  async #read(): Promise<void> {
    let stored: AgentCredential | null;
    try {
      stored = await this.#source.get(this.id);
      this.#rotation = (await this.#source.rotation?.(this.id)) ?? undefined;
    } catch (error) {
      return this.#troubled(`its last key stays in use: ${errorText(error)}`);
    }
    if (!stored) return this.#troubled(`agent "${this.id}" was removed; its last key stays in use`);
    this.#trouble = undefined;
    const before = this.#stored;
    this.#stored = stored;
    if (same(stored, before)) return;
    this.#current = toCredential(stored);
    for (const listener of [...this.#listeners]) this.#contained(() => listener(this.#current));
    if (stored.apiKey === before.apiKey) return;
    // In a failure, a key that was taken from beside the refused one has yet to prove itself.
    if (this.#exchanging && this.#failure) return;
    this.#tell({ state: 'rotated' });
    if (this.#exchanging) return;
    this.#round = undefined;
    if (!this.#failure) return;
    this.#failure = undefined;
    this.#logger.info(`another key of "${this.id}" is in use`);
    this.#tell({ state: 'ok' });
  }

  #tell(event: AuthEvent): void {
    for (const listener of [...this.#authListeners]) this.#contained(() => listener(event));
  }

  #contained(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#logger.error('a listener for the credential threw', { error: errorText(error) });
    }
  }

  #troubled(message: string): void {
    if (this.#trouble !== message) this.#logger.error(message, { agentId: this.id });
    this.#trouble = message;
  }
}

function isLocal(error: unknown): boolean {
  return CleoError.is(error) && error.details?.local === true;
}

function toCredential(stored: AgentCredential): Credential {
  const { agentId, apiKey, apiBaseUrl, transportType, transportConfig } = stored;
  return Object.freeze({
    agentId,
    apiKey: new Secret(apiKey),
    apiBaseUrl,
    transportType,
    transportConfig: Object.freeze(transportConfig),
  });
}

function same(a: AgentCredential, b: AgentCredential): boolean {
  const shown = ({ apiKey, apiBaseUrl, transportType, transportConfig }: AgentCredential) =>
    JSON.stringify([apiKey, apiBaseUrl, transportType, transportConfig]);
  return shown(a) === shown(b);
}
