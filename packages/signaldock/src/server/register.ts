import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { valid } from '../validate.ts';
import { envelope } from './answer.ts';
import type { Gate } from './gate.ts';
import type { Route, ServerContext } from './route.ts';

/** Puts a route of the table on the server: who may pass is asked before the body is read, then the schemas are applied. */
export function registerRoute(app: FastifyInstance, route: Route, context: ServerContext, gate: Gate): void {
  const { method, path, params, query, body, status = 200, bodyLimit } = route;
  app.route({
    method,
    url: path,
    ...(bodyLimit !== undefined && { bodyLimit }),
    schema: {
      ...(params && { params }),
      ...(query && { querystring: query }),
      ...(body && { body }),
    },
    async handler(request, reply) {
      const caller = gate.callerOf(request);
      const data = await route.handle(context, {
        ...caller,
        params: request.params,
        query: request.query,
        body: request.body,
        idempotencyKey: header(request.headers['idempotency-key']),
        lastEventId: header(request.headers['last-event-id']),
        response: reply.raw,
      });
      if (route.answer) return reply.code(status).send(route.bare ? data : envelope(data));
      // Only now: what was thrown until here could still be answered.
      return reply.hijack();
    },
  });
}

/** The schema's own judgement, in the words the dock uses. No body comes as `null`. */
export function compileValidator({ schema }: { schema: z.ZodType }) {
  return (data: unknown) => {
    try {
      return { value: valid(schema, data ?? undefined) };
    } catch (error) {
      return { error: error as Error };
    }
  };
}

function header(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
