import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { finished } from 'node:stream';
import { errorText } from '@cleocode/contracts';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { errorAnswer, refusal } from './answer.ts';
import type { Gate } from './gate.ts';
import { acceptJson } from './json-body.ts';
import { type NodeServerOptions, nodeServer } from './node-server.ts';
import { compileValidator, registerRoute } from './register.ts';
import type { Route, ServerContext } from './route.ts';

/** Where the server writes; the kernel's `Logger` is one. It is never given a query, a header or a body. */
export interface ServerLogger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export interface AppOptions extends NodeServerOptions {
  routes: readonly Route[];
  context: ServerContext;
  gate: Gate;
  logger: ServerLogger;
}

const BODY_LIMIT = 1024 * 1024;
/** An agent id of 64 characters, each written as three. */
const MAX_PARAM = 192;
const MAX_CAUSES = 8;

/** The routes behind their gate, not listening yet. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { routes, context, gate, logger } = options;
  const app = fastify({
    serverFactory: (handler) => nodeServer(handler, options),
    // Answered there already.
    clientErrorHandler: () => {},
    frameworkErrors: (error, request, reply) =>
      void refuseUnrouted(error, request as FastifyRequest, reply as FastifyReply),
    bodyLimit: BODY_LIMIT,
    routerOptions: { maxParamLength: MAX_PARAM },
    exposeHeadRoutes: false,
    // The gate refuses, in the envelope.
    return503OnClosing: false,
    genReqId: () => randomUUID(),
  });

  const enter = async (request: FastifyRequest, reply: FastifyReply) => {
    // On the raw answer, where a stream has them too.
    reply.raw.setHeader('X-Request-Id', request.id);
    reply.raw.setHeader('X-Content-Type-Options', 'nosniff');
    reply.raw.setHeader('Cache-Control', 'no-store');
    logWhenOver(logger, request, reply);
    await gate.enter(request, reply);
  };
  const fail = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const { status, headers, body } = errorAnswer(error);
    if (status >= 500 && !gate.closed)
      logger.error('A request failed', { ...told(request), reasons: reasonsOf(error) });
    if (gate.closed) headers.connection = 'close';
    reply.code(status).headers(headers).send(body);
  };
  /** A path that the router cannot read: no hook runs for it. */
  const refuseUnrouted = (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
    enter(request, reply).then(
      () => fail(error, request, reply),
      (refused) => fail(refused, request, reply),
    );

  acceptJson(app);
  app.setValidatorCompiler(compileValidator);
  app.addHook('onRequest', enter);
  app.addHook('onSend', async (_request, reply) => {
    if (gate.closed) reply.header('connection', 'close');
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

function logWhenOver(logger: ServerLogger, request: FastifyRequest, reply: FastifyReply): void {
  const start = performance.now();
  finished(reply.raw, () => {
    const { statusCode: status } = reply.raw;
    logger.debug('Answered', { ...told(request), status, ms: Math.round(performance.now() - start) });
  });
}

/** Which request it is, by the pattern of its route: a path may hold anything. */
function told(request: FastifyRequest) {
  return { requestId: request.id, method: request.method, route: request.routeOptions.url ?? 'none' };
}

/** What went wrong, from what was answered down to what began it. */
function reasonsOf(error: unknown): string[] {
  const reasons = new Set<string>();
  let at = error;
  for (let depth = 0; at !== undefined && depth < MAX_CAUSES; depth++) {
    reasons.add(errorText(at));
    at = (at as { cause?: unknown } | null)?.cause;
  }
  return [...reasons];
}

/** The methods that some route takes at the path of `url`. */
function methodsOf(routes: readonly Route[], url: string): string[] {
  const path = url.split(/[?#]/, 1)[0]!.split('/');
  const fits = (route: Route) => {
    const parts = route.path.split('/');
    return (
      parts.length === path.length &&
      parts.every((part, at) => part === path[at] || (part.startsWith(':') && path[at] !== ''))
    );
  };
  return [...new Set(routes.filter(fits).map(({ method }) => method))].sort();
}
