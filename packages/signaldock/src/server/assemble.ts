import { performance } from 'node:perf_hooks';
import { errorText } from '@cleocode/contracts';
import type { FastifyInstance } from 'fastify';
import type { Dock } from '../dock.ts';
import { buildApp, type ServerLogger } from './app.ts';
import { Gate } from './gate.ts';
import { describeRoutes } from './openapi.ts';
import { RateLimiter } from './rate-limit.ts';
import type { ServerContext } from './route.ts';
import { ROUTES } from './routes/index.ts';
import { Streams } from './streams.ts';

/** What a server serves, and within which limits. */
export interface AssemblyOptions {
  /** What is served. The caller opens it before the server and closes it after. */
  dock: Dock;
  /** Serves https, with a certificate chain and its key in PEM. */
  tls?: { key: string | Buffer; cert: string | Buffer };
  /** Requests each agent may send in any window. Default 100 in 60,000 ms; a `max` of 0 is no limit. */
  rateLimit?: { max?: number; windowMs?: number };
  /** Milliseconds between the heartbeats of a stream. Default 30,000. */
  streamHeartbeatMs?: number;
  /** How long a request may take to arrive, in milliseconds; its headers a third of that. Default 30,000. */
  requestTimeoutMs?: number;
  /** Where clients reach the server, when that is not where it listens. */
  publicUrl?: string;
  /** Default: nothing is logged. */
  logger?: ServerLogger;
  /** The clock of the rate limit, in milliseconds; for tests. */
  now?: () => number;
}

export interface Assembly {
  readonly app: FastifyInstance;
  readonly gate: Gate;
  readonly streams: Streams;
  readonly context: ServerContext;
}

export const SILENT: ServerLogger = { debug() {}, info() {}, error() {} };
const STREAM_REPLAY = 1_000;

/** The parts of a server, put together and not listening. */
export async function assemble(options: AssemblyOptions): Promise<Assembly> {
  const { dock, tls, rateLimit = {}, streamHeartbeatMs = 30_000, requestTimeoutMs = 30_000 } = options;
  const { logger = SILENT, now = () => performance.now() } = options;
  const { max = 100, windowMs = 60_000 } = rateLimit;
  const streams = new Streams({
    dock,
    heartbeatMs: streamHeartbeatMs,
    replay: STREAM_REPLAY,
    log: (message, { agentId, error }) => logger.error(message, { agentId, error: errorText(error) }),
  });
  const limiter = max > 0 ? new RateLimiter(max, windowMs, now) : undefined;
  const context: ServerContext = {
    dock,
    streams,
    features: {
      rotationOverlap: true,
      rotationUntilUsed: true,
      idempotentSend: true,
      exactCursor: true,
      conversationScan: true,
      fencedPresence: true,
      streamReplay: STREAM_REPLAY,
      streamHeartbeatMs,
    },
    // A path follows it.
    publicUrl: (options.publicUrl ?? '').replace(/\/+$/, ''),
    openApiDocument,
  };
  const gate = new Gate({ context, routes: ROUTES, limiter });
  // Longer than any stream is quiet.
  const stallMs = 2 * Math.max(requestTimeoutMs, streamHeartbeatMs);
  const app = await buildApp({ routes: ROUTES, context, gate, logger, tls, requestTimeoutMs, stallMs });
  return { app, gate, streams, context };
}

let document: Promise<Record<string, unknown>> | undefined;

/** The OpenAPI 3.1 description of all routes. Made when it is first asked for. */
export function openApiDocument(): Promise<Record<string, unknown>> {
  document ??= describeRoutes(ROUTES);
  return document;
}
