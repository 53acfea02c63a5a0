import { CleoError, WireError } from '@cleocode/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Dock } from '../dock.ts';
import { refusal } from './answer.ts';
import { type Claim, claimOf, claimOfQuery } from './authenticate.ts';
import type { RateLimiter } from './rate-limit.ts';
import type { Route } from './route.ts';

const MAX_URL = 8 * 1024;
const FORBIDDEN = 'Insufficient permissions';

/** Who calls, once that is proven. */
export interface Caller {
  agentId: string;
  stillAllowed: () => Promise<boolean>;
}

const NOBODY: Caller = { agentId: '', stillAllowed: async () => true };

export interface GateOptions {
  dock: Pick<Dock, 'authenticate'>;
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
  readonly #dock: GateOptions['dock'];
  readonly #limiter: RateLimiter | undefined;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #callers = new WeakMap<FastifyRequest, Caller>();

  constructor({ dock, routes, limiter }: GateOptions) {
    this.#dock = dock;
    this.#limiter = limiter;
    this.#routes = new Map(routes.map((route) => [`${route.method} ${route.path}`, route]));
  }

  /** Rejects with what is to be answered, unless the request may go on. */
  async enter(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (this.closed) throw refusal(503, { connection: 'close' });
    const route = this.#routes.get(`${request.method} ${request.routeOptions.url}`);
    const malformed = misshapen(request);
    if (malformed || !route || route.auth === 'none') this.#count(`address ${request.ip}`, reply);
    if (malformed) throw malformed;
    if (!route || route.auth === 'none') return;
    const claim = await this.#prove(route, request, reply);
    this.#count(`agent ${claim.agentId}`, reply);
    if (route.auth === 'owner' && (request.params as { id: string }).id !== claim.agentId)
      throw new WireError('E_AUTH_FORBIDDEN', FORBIDDEN, { hint: 'Only the agent itself may do this.' });
    this.#callers.set(request, {
      agentId: claim.agentId,
      stillAllowed: () => this.#isAllowed(claim),
    });
  }

  callerOf(request: FastifyRequest): Caller {
    return this.#callers.get(request) ?? NOBODY;
  }

  async #prove(route: Route, request: FastifyRequest, reply: FastifyReply): Promise<Claim> {
    try {
      const byQuery = !route.answer && request.headers.authorization === undefined;
      const claim = byQuery ? claimOfQuery(request.query) : claimOf(request.headers);
      await this.#dock.authenticate(claim.agentId, claim.apiKey.reveal());
      return claim;
    } catch (error) {
      // Counted only now, so that nobody can use up the requests of an agent that has its key.
      if (isRefused(error)) this.#count(`address ${request.ip}`, reply);
      throw error;
    }
  }

  async #isAllowed({ agentId, apiKey }: Claim): Promise<boolean> {
    try {
      await this.#dock.authenticate(agentId, apiKey.reveal());
      return true;
    } catch (error) {
      if (isRefused(error)) return false;
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

/** What Node lets through and this server does not. */
function misshapen({ raw }: FastifyRequest) {
  if (raw.url!.length > MAX_URL) return refusal(414);
  if (raw.headers.host === undefined && raw.httpVersion !== '1.0') return refusal(400);
  return undefined;
}

function isRefused(error: unknown): boolean {
  return CleoError.is(error) && error.code.startsWith('E_AUTH_');
}
