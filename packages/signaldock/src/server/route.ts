import type { ServerResponse } from 'node:http';
import type { ServerFeatures } from '@cleocode/contracts';
import type { z } from 'zod';
import type { Dock } from '../dock.ts';
import type { Streams } from './streams.ts';

/** What the routes work on. */
export interface ServerContext {
  readonly dock: Dock;
  readonly streams: Streams;
  readonly features: ServerFeatures;
  /** Where clients reach this server, without a slash at the end; known once it listens. */
  publicUrl: string;
  openApiDocument(): Promise<Record<string, unknown>>;
}

/**
 * Who may call a route: anyone; any agent with its key; the agent that the path names; an agent that takes part in the
 * conversation (the dock says who does).
 */
export type RouteAuth = 'none' | 'agent' | 'owner' | 'participant';

/** A request once it has been authenticated and validated. */
interface RouteRequest<P = unknown, Q = unknown, B = unknown> {
  /** Who calls; empty on a route that asks nobody. */
  readonly agentId: string;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly idempotencyKey: string | undefined;
  readonly lastEventId: string | undefined;
  /** For a route of `events`. */
  readonly response: ServerResponse;
  /** Whether the key of this request would still be taken. */
  readonly stillAllowed: () => Promise<boolean>;
}

type Shape = z.ZodType | undefined;
type OutputOf<S extends Shape> = S extends z.ZodType ? z.output<S> : undefined;

export interface RouteSpec<P extends Shape, Q extends Shape, B extends Shape, A extends Shape> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `:name` for each member of `params`. */
  readonly path: string;
  readonly auth: RouteAuth;
  readonly summary: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** Bytes the body may have. Default 1 MiB. */
  readonly bodyLimit?: number;
  /** Takes the header `Idempotency-Key`. */
  readonly idempotent?: true;
  /** Default 200. */
  readonly status?: 201;
  /** What is answered in `data`, or bare. Absent: a stream of events, written to `response`. */
  readonly answer?: A;
  /** Answered without the envelope. */
  readonly bare?: true;
  handle(
    context: ServerContext,
    request: RouteRequest<OutputOf<P>, OutputOf<Q>, OutputOf<B>>,
  ): Promise<OutputOf<A>>;
}

/** A route as the table holds it: checked where it is written, alike to everyone who reads it. */
export type Route = RouteSpec<Shape, Shape, Shape, Shape>;

/** Checks that a route handles what its schemas say. */
export function route<
  P extends Shape = undefined,
  Q extends Shape = undefined,
  B extends Shape = undefined,
  A extends Shape = undefined,
>(spec: RouteSpec<P, Q, B, A>): Route {
  return spec as Route;
}

/** A query with its cursor as the dock calls it. */
export function withCursor<Q extends { after_seq?: number | undefined }>({ after_seq, ...query }: Q) {
  return { ...query, ...(after_seq !== undefined && { afterSeq: after_seq }) };
}
