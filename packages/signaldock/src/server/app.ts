import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { errorText } from '@cleocode/contracts';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { errorAnswer, refusal } from './answer.ts';
import { ClientErrors } from './client-errors.ts';
import type { Gate } from './gate.ts';
import { acceptJson } from './json-body.ts';
import { compileValidator, registerRoute } from './register.ts';
import type { Route, ServerContext } from './route.ts';

/** Where the server writes; a `Logger` of the kernel is one. Never given a query, a header or a body. */
export interface ServerLogger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export interface AppOptions {
  routes: readonly Route[];
  context: ServerContext;
  gate: Gate;
  logger: ServerLogger;
  tls?: { key: string | Buffer; cert: string | Buffer } | undefined;
  /** Milliseconds a request may take to arrive, its headers a third of that. */
  requestTimeoutMs: number;
}

const BODY_LIMIT = 1024 * 1024;
const MAX_CONNECTIONS = 4_096;
/** An idle connection is closed after this long; clients are told and close it earlier. */
const KEEP_ALIVE_MS = 65_000;

/** The server, not listening yet. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { routes, context, gate, logger, tls, requestTimeoutMs } = options;
  const clientErrors = new ClientErrors();
  const http = {
    maxHeaderSize: 16 * 1024,
    headersTimeout: requestTimeoutMs / 3,
    connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs / 10),
    // Refused by the gate, which says so in the envelope.
    requireHostHeader: false,
  };
  const app: FastifyInstance = fastify({
    ...(tls ? { https: { ...http, ...tls } as never } : { http }),
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    bodyLimit: BODY_LIMIT,
    routerOptions: { maxParamLength: 256 },
    exposeHeadRoutes: false,
    // The gate refuses, so that it is in the envelope.
    return503OnClosing: false,
    genReqId: () => randomUUID(),
    clientErrorHandler: clientErrors.onError,
    frameworkErrors: (error, request, reply) =>
      void refuse(error, request as FastifyRequest, reply as FastifyReply),
  });
  clientErrors.watch(app.server as Server);
  app.server.maxConnections = MAX_CONNECTIONS;

  async function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply) {
    let thrown = error;
    try {
      await gate.enter(request, reply);
    } catch (refused) {
      thrown = refused;
    }
    fail(thrown, request, reply);
  }

  function fail(thrown: unknown, request: FastifyRequest, reply: FastifyReply) {
    const { status, headers, body } = errorAnswer(thrown);
    if (status >= 500 && !gate.closed)
      logger.error('A request failed', {
        ...told(request),
        error: errorText(thrown),
        cause: causeOf(thrown),
      });
    reply.code(status).headers(headers).send(body);
  }

  acceptJson(app);
  app.setValidatorCompiler(compileValidator as never);
  app.addHook('onRequest', async (request, reply) => {
    reply.raw.setHeader('X-Request-Id', request.id);
    reply.raw.setHeader('X-Content-Type-Options', 'nosniff');
    reply.raw.setHeader('Cache-Control', 'no-store');
    await gate.enter(request, reply);
  });
  app.addHook('onSend', async (_request, reply, payload) => {
    if (gate.closed) reply.header('connection', 'close');
    return payload;
  });
  app.addHook('onResponse', async (request, reply) => {
    logger.debug('Answered', {
      ...told(request),
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    });
  });
  app.setErrorHandler(fail);
  app.setNotFoundHandler((request) => {
    const allowed = methodsOf(routes, request.raw.url!);
    throw allowed.length > 0 ? refusal(405, { allow: allowed.join(', ') }) : refusal(404);
  });
  for (const route of routes) registerRoute(app, route, context, gate);
  await app.ready();
  return app;
}

function told(request: FastifyRequest) {
  return { requestId: request.id, method: request.method, route: request.routeOptions.url ?? 'none' };
}

function causeOf(thrown: unknown): string | undefined {
  const cause = (thrown as { cause?: unknown } | null)?.cause;
  return cause === undefined ? undefined : errorText(cause);
}

/** The methods that some route takes at the path of `url`. */
function methodsOf(routes: readonly Route[], url: string): string[] {
  const path = url.split(/[?;#]/, 1)[0]!.split('/');
  const fits = (route: Route) => {
    const parts = route.path.split('/');
    return (
      parts.length === path.length &&
      parts.every((part, at) => part === path[at] || (part[0] === ':' && path[at] !== ''))
    );
  };
  return [...new Set(routes.filter(fits).map(({ method }) => method))].sort();
}
