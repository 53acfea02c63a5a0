import type {
  Agent,
  AgentRegistryAPI,
  CleoError,
  KeyIssuer,
  RequestOptions,
  Transport,
} from '@cleocode/contracts';
import { keyIssuerOf } from '@cleocode/contracts';
import { failure, listenerThrew, stopping, unusable } from './errors.ts';
import { KeyKeeper, type KeyRotationStatus } from './key-keeper.ts';

/** Whose key is rotated, when, and by whom. */
export interface KeyRotationServiceOptions {
  agentId: string;
  /** Holds the key, such as the registry of an open store. */
  registry: AgentRegistryAPI;
  /** Connected as the agent; it asks the backend for new keys. Default: what the registry was made with. */
  transport?: Transport;
  /** Asks the backend in place of a transport. */
  issuer?: KeyIssuer;
  /** A key is replaced before it is this old, in milliseconds; 0 begins no rotation. Default 30 days. */
  maxKeyAgeMs?: number;
  /** The longest time between two looks at the key, in milliseconds. Default 1 hour. */
  checkIntervalMs?: number;
  /** How long the old key is to work beside the new one, in seconds, where the backend can. Default: as it likes (600). */
  overlapSeconds?: number;
  /** Tells when the key is refused: nothing is rotated then. */
  agent?: Pick<Agent, 'auth' | 'onChange' | 'onAuth'>;
  /** Another key is in use, and on disk. */
  onRotated?: () => void;
  /** Hears once of each trouble while it lasts. Default: a line on stderr. */
  onError?: (error: CleoError) => void;
  /** A rotation succeeded after so many failures in a row. */
  onRecovered?: (failures: number) => void;
}

export const MAX_KEY_AGE_MS = 30 * 24 * 3_600_000;
export const CHECK_INTERVAL_MS = 3_600_000;
export const MAX_OVERLAP_S = 86_400;

/**
 * Watches the age of an agent's key and replaces it in time, without the kernel. The registry decides what is safe: the old key
 * stays in use until the new one is on disk and was taken by the backend.
 */
export class KeyRotationService {
  readonly #newKeeper: () => KeyKeeper;
  readonly #agentId: string;
  readonly #onError: (error: CleoError) => void;
  #keeper: KeyKeeper;
  #run: { abort: AbortController; ended: Promise<void> } | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: KeyRotationServiceOptions) {
    const { agentId, registry, transport, agent, overlapSeconds } = options;
    const { maxKeyAgeMs = MAX_KEY_AGE_MS, checkIntervalMs = CHECK_INTERVAL_MS } = options;
    if (typeof registry?.rotateKey !== 'function')
      throw unusable('registry is missing', 'Give the registry that holds the key, such as that of a store.');
    if (!(maxKeyAgeMs >= 0)) throw unusable(`maxKeyAgeMs is ${maxKeyAgeMs}`, 'Give 0 or more.');
    if (!(checkIntervalMs > 0)) throw unusable(`checkIntervalMs is ${checkIntervalMs}`, 'Give more than 0.');
    if (overlapSeconds !== undefined && !(overlapSeconds >= 0 && overlapSeconds <= MAX_OVERLAP_S))
      throw unusable(`overlapSeconds is ${overlapSeconds}`, `Give a number from 0 to ${MAX_OVERLAP_S}.`);
    const { onError = (error) => toStderr(error, agentId), onRotated, onRecovered } = options;
    const contained =
      <A extends unknown[]>(name: string, listener?: (...args: A) => void) =>
      (...args: A): void => {
        try {
          listener?.(...args);
        } catch (thrown) {
          toStderr(listenerThrew(name, thrown), agentId);
        }
      };
    this.#agentId = agentId;
    this.#onError = contained('onError', onError);
    this.#newKeeper = () =>
      new KeyKeeper({
        agentId: () => agentId,
        registry,
        issuer: options.issuer ?? (transport && keyIssuerOf(transport)),
        agent,
        maxKeyAgeMs,
        checkIntervalMs,
        overlapSeconds,
        onRotated: contained('onRotated', onRotated),
        onError: this.#onError,
        onRecovered: contained('onRecovered', onRecovered),
      });
    this.#keeper = this.#newKeeper();
  }

  /** Begins to watch; the first look comes within 5 s. Does nothing while it runs. */
  start(): void {
    if (this.#stopping) throw stopping();
    if (this.#run) return;
    const abort = new AbortController();
    this.#keeper = this.#newKeeper();
    const ended = this.#keeper
      .run(abort.signal)
      .catch((error) => this.#onError(failure(this.#agentId, error)));
    this.#run = { abort, ended };
  }

  /** Resolves when nothing runs any more: a rotation that is under way has 2 s, then goes on after the next start. Never rejects. */
  stop(): Promise<void> {
    this.#stopping ??= this.#end().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  status(): KeyRotationStatus {
    const status = this.#keeper.status();
    return { ...status, running: status.running && this.#stopping === undefined };
  }

  /** Rotates now, started or not, whatever the age of the key. Rejects with why it could not; the old key stays in use then. */
  rotateNow(options?: RequestOptions): Promise<void> {
    return this.#keeper.rotateNow(options);
  }

  async #end(): Promise<void> {
    this.#run?.abort.abort(new Error('the key rotation is stopping'));
    await this.#run?.ended;
    this.#run = undefined;
  }
}

function toStderr({ code, message, hint }: CleoError, agentId: string): void {
  const line = `${code}: ${agentId}: ${message}`;
  console.error(hint ? `${line} (${hint})` : line);
}
