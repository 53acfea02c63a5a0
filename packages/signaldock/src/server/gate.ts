import { isAuthError, isLoopback, WireError } from '@cleocode/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { refusal } from './answer.ts';
import { type Claim, claimOf, claimOfQuery } from './authenticate.ts';
import type { RateLimiter } from './rate-limit.ts';
import type { Route, ServerContext } from './route.ts';

const MAX_URL = 8 * 1024;

/** Who calls, once that is proven. */
export interface Caller {
  agentId: string;
  stillAllowed: () => Promise<boolean>;
}

const NOBODY: Caller = { agentId: '', stillAllowed: async () => true };

export interface GateOptions {
  context: Pick<ServerContext, 'dock' | 'publicUrl'>;
  routes: readonly Route[];
  /** Absent: no limit. */
  limiter: RateLimiter | undefined;
}

/**
 * Decides who may pass, before anything of a body is read: first whether the server takes requests, then who it is, then
 * whether that caller has any left. An agent's requests count for the agent; those without a good key for their address.
 */
export class Gate {
  closed = false;
  readonly #context: GateOptions['context'];
  readonly #limiter: RateLimiter | undefined;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #callers = new WeakMap<FastifyRequest, Caller>();

  constructor({ context, routes, limiter }: GateOptions) {
    this.#context = context;
    this.#limiter = limiter;
    this.#routes = new Map(routes.map((route) => [`${route.method} ${route.path}`, route]));
  }

  /** Rejects with what is to be answered, unless the request may go on. */
  async enter(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (this.closed) throw refusal(503, { connection: 'close' });
    const route = this.#routes.get(`${request.method} ${request.routeOptions.url}`);
    const fault = this.#faultOf(request);
    if (fault || !route || route.auth === 'none') this.#count(`address ${request.ip}`, reply);
    if (fault) throw fault;
    if (!route || route.auth === 'none') return;
    const claim = await this.#prove(route, request, reply);
    this.#count(`agent ${claim.agentId}`, reply);
    if (route.auth === 'owner' && (request.params as { id: string }).id !== claim.agentId)
      throw new WireError('E_AUTH_FORBIDDEN', 'Insufficient permissions', {
        hint: 'Only the agent itself may do this.',
      });
    this.#callers.set(request, {
      agentId: claim.agentId,
      stillAllowed: () => this.#isAllowed(claim),
    });
  }

  callerOf(request: FastifyRequest): Caller {
    return this.#callers.get(request) ?? NOBODY;
  }

  /** What Node lets through and this server does not. */
  #faultOf({ raw: { url, httpVersion, headers } }: FastifyRequest): Error | undefined {
    if (url!.length > MAX_URL) return refusal(414);
    if (headers.host === undefined && httpVersion !== '1.0') return refusal(400);
    if (headers.origin !== undefined && !this.#isOwn(headers.origin))
      return new WireError('E_AUTH_FORBIDDEN', 'Web pages of other origins may not use this server.', {
        hint: 'Set publicUrl to the address that the pages of this server have.',
      });
    return undefined;
  }

  /** A page whose name was made to point here would otherwise speak to the agents of whoever looks at it. */
  #isOwn(origin: string): boolean {
    const url = URL.parse(origin);
    return (
      url !== null && (isLoopback(url.hostname) || url.origin === URL.parse(this.#context.publicUrl)?.origin)
    );
  }

  async #prove(route: Route, request: FastifyRequest, reply: FastifyReply): Promise<Claim> {
    try {
      const byQuery = !route.answer && request.headers.authorization === undefined;
      const claim = byQuery ? claimOfQuery(request.query) : claimOf(request.headers);
      await this.#context.dock.authenticate(claim.agentId, claim.apiKey.reveal());
      return claim;
    } catch (error) {
      // Counted only now, so that nobody can use up the requests of an agent that has its key.
      if (isAuthError(error)) this.#count(`address ${request.ip}`, reply);
      throw error;
    }
  }

  async #isAllowed({ agentId, apiKey }: Claim): Promise<boolean> {
    try {
      await this.#context.dock.authenticate(agentId, apiKey.reveal());
      return true;
    } catch (error) {
      if (isAuthError(error)) return false;
      throw error;
    }
  }

  #count(caller: string, reply: FastifyReply): void {
    if (!this.#limiter) return;
    const { allowed, remaining, resetMs } = this.#limiter.admit(caller);
    // On the raw answer, where a stream has them too.
    reply.raw.setHeader('X-RateLimit-Limit', this.#limiter.max);
    reply.raw.setHeader('X-RateLimit-Remaining', remaining);
    reply.raw.setHeader('X-RateLimit-Reset', Math.ceil(resetMs / 1000));
    if (!allowed)
      throw new WireError('E_RATE_LIMIT', 'Rate limit exceeded. Please try again later.', {
        hint: 'Wait for as long as Retry-After says.',
        retryAfterMs: Math.ceil(resetMs),
      });
  }
}
