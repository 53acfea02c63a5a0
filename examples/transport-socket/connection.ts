import {
  backoff,
  CleoError,
  type ConduitMessage,
  callTransport,
  isKeyRefused,
  pause,
  refreshCredential,
  Secret,
  type Transport,
  type TransportConnectConfig,
} from '@cleocode/contracts';
import { Link } from './link.ts';

/** The way to a broker as one agent: over as many links as it takes, one at a time. */
export class Connection {
  readonly config: TransportConnectConfig;
  readonly #options: { address: string; timeoutMs: number };
  readonly #onMessage: (message: ConduitMessage) => void;
  #link: Link | undefined;
  /** While a new link says hello; shared by all who wait for it. */
  #greeting: Promise<Link> | undefined;
  /** The one that counts: it may have begun before the one before it knows of its end. */
  #subscription: AbortSignal | undefined;
  /** The last `seq` that the subscription knows of. */
  #heard: number | undefined;
  #isClosed = false;

  constructor(
    config: TransportConnectConfig,
    options: { address: string; timeoutMs: number },
    onMessage: (message: ConduitMessage) => void,
  ) {
    this.config = config;
    this.#options = options;
    this.#onMessage = onMessage;
  }

  /** A link that said hello; a new one when the last has ended. */
  async greet(): Promise<Link> {
    if (!this.#greeting && this.#link?.isOpen) return this.#link;
    this.#greeting ??= this.#open().finally(() => {
      this.#greeting = undefined;
    });
    return this.#greeting;
  }

  /** Not repeated when the link breaks on the way: whoever called knows whether that is safe. */
  ask(method: string, params: object, signal?: AbortSignal): Promise<unknown> {
    return this.#within(method, signal, async (own) => (await this.greet()).ask(method, params, own));
  }

  /** Hears what comes from now on, also what came while there was no link. Resolves after `signal` has aborted. */
  async keepSubscribed(signal: AbortSignal): Promise<void> {
    this.#subscription = signal;
    this.#heard = undefined;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const { seq } = (await this.ask('subscribe', { after: this.#heard }, signal)) as { seq: number };
        this.#heard = Math.max(seq, this.#heard ?? 0);
        failures = 0;
        await this.#link?.ended(signal);
      } catch {} // The agent hears of it from its next poll.
      await pause(backoff(failures, 100, 10_000), signal);
    }
    const isLast = this.#subscription === signal;
    if (isLast && !this.#isClosed && this.#link?.isOpen) await this.ask('unsubscribe', {}).catch(() => {});
  }

  close(): void {
    this.#isClosed = true;
    this.#link?.end();
  }

  async #open(isRetry = false): Promise<Link> {
    const { agentId, agent, apiKey } = this.config;
    const retryAfterMs = agent?.auth?.().retryInMs ?? 0;
    if (retryAfterMs > 0)
      throw new CleoError('E_AUTH_INVALID_TOKEN', `socket: the broker refuses the key of "${agentId}"`, {
        retryAfterMs,
        details: { local: true },
      });
    // Asked for each time: it may have been replaced.
    const key = agent?.credential().apiKey ?? new Secret(apiKey);
    const link = new Link(this.#options.address, ({ message }) => this.#hear(message as ConduitMessage));
    this.#link = link;
    if (this.#isClosed) link.end();
    try {
      const hello = { agentId, apiKey: key.reveal() };
      await this.#within('connect', undefined, (signal) => link.ask('hello', hello, signal));
      agent?.reportAccepted?.(key);
      return link;
    } catch (error) {
      link.end();
      const hasAnother = agent && isKeyRefused(error) && (await refreshCredential(agent, key, error));
      if (hasAnother && !isRetry) return this.#open(true);
      throw error;
    }
  }

  #hear(message: ConduitMessage): void {
    this.#heard = Math.max(message.seq ?? 0, this.#heard ?? 0);
    this.#onMessage(message);
  }

  #within<T>(method: string, signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) {
    const bounds = { timeoutMs: this.#options.timeoutMs, signal };
    return callTransport({ name: 'socket' }, method as keyof Transport, bounds, work).catch((error) => {
      // A link on which nothing comes back is none.
      if (CleoError.is(error, 'E_TRANSPORT_TIMEOUT')) this.#link?.end();
      throw error;
    });
  }
}
