import type { Pool } from 'undici';
import { Api } from './api.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import type { ExchangeLimits } from './exchange.ts';
import { Features } from './features.ts';
import { Lane } from './lane.ts';
import { RetryBudget } from './retry-budget.ts';

/** How to reach a backend. Those who say the same share it. */
export interface BackendOptions {
  /** PEM certificates to trust instead of the public ones. */
  ca?: string | readonly string[] | undefined;
  limits: ExchangeLimits & {
    /** A whole operation, retries and waiting included, in milliseconds. */
    totalMs: number;
  };
}

const CONNECTIONS = { main: 8, presence: 2 };
const MAX_HEADER_BYTES = 16 * 1024;

/** The backends of this process that are in use. */
const inUse = new Map<string, Backend>();

/**
 * A backend as all of this process see it: its connections, whether it answers, what it can do. Two lanes, so that no
 * number of sends keeps a heartbeat waiting.
 */
export class Backend {
  /** Without a slash at the end. */
  readonly base: URL;
  readonly limits: BackendOptions['limits'];
  readonly lanes: Readonly<Record<'main' | 'presence', Lane>>;
  readonly breaker: CircuitBreaker;
  readonly budget = new RetryBudget();
  readonly features: Features;
  readonly #key: string;
  #users = 0;

  /** The one backend at `base` with these options; every user calls {@link release} once. */
  static async use(base: URL, options: BackendOptions): Promise<Backend> {
    // Loaded here, not above: it takes 100 ms, and who never connects must not pay them.
    const { Pool } = await import('undici');
    const key = JSON.stringify([base, options]);
    const backend = inUse.get(key) ?? new Backend(key, base, options, Pool);
    inUse.set(key, backend);
    backend.#users += 1;
    return backend;
  }

  private constructor(key: string, base: URL, { ca, limits }: BackendOptions, PoolClass: typeof Pool) {
    const lane = (connections: number) => {
      const pool = new PoolClass(base.origin, {
        connections,
        // One request on a connection at a time: giving one up ends no other.
        allowH2: false,
        maxHeaderSize: MAX_HEADER_BYTES,
        connectTimeout: limits.connectMs,
        ...(ca !== undefined && { connect: { ca: [ca].flat() as string[] } }),
      });
      return new Lane(pool, connections);
    };
    this.#key = key;
    this.base = base;
    this.limits = limits;
    this.lanes = { main: lane(CONNECTIONS.main), presence: lane(CONNECTIONS.presence) };
    this.breaker = new CircuitBreaker(base.origin);
    this.features = new Features(() => new Api(this).health());
    this.breaker.onRecovered(() => this.features.expire());
  }

  /** Closes the connections with the last user. */
  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    inUse.delete(this.#key);
    await Promise.all(Object.values(this.lanes).map(({ pool }) => pool.destroy()));
  }
}
