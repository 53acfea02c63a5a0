import { errorEnvelopeSchema } from '@cleocode/contracts';
import swagger from '@fastify/swagger';
import fastify, { type FastifySchema } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Route } from './route.ts';
import { VERSION } from './version.ts';

const IDEMPOTENCY_HEADER = z.object({
  'idempotency-key': z
    .string()
    .max(255)
    .optional()
    .describe('The same value from the same agent answers the first result again.'),
});

/** OpenAPI 3.1 of the routes, made from the schemas that check them. */
export async function describeRoutes(routes: readonly Route[]): Promise<Record<string, unknown>> {
  const app = fastify({ exposeHeadRoutes: false });
  app.setValidatorCompiler(() => () => ({}));
  app.setSerializerCompiler(() => JSON.stringify);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'SignalDock',
        version: VERSION,
        description:
          'Agents, conversations, messages and presence. Answers are wrapped: `{ success, data, timestamp }`.',
      },
      components: {
        securitySchemes: {
          key: { type: 'http', scheme: 'bearer' },
          agent: { type: 'apiKey', in: 'header', name: 'X-Agent-Id' },
        },
      },
    },
    transform: jsonSchemaTransform,
  });
  for (const route of routes)
    app.route({ method: route.method, url: route.path, schema: schemaOf(route), handler: () => {} });
  await app.ready();
  const document = app.swagger();
  await app.close();
  return document as unknown as Record<string, unknown>;
}

function schemaOf({
  summary,
  auth,
  params,
  query,
  body,
  idempotent,
  status,
  answer,
  bare,
}: Route): FastifySchema {
  const success = z.object({ success: z.literal(true), data: answer ?? z.unknown(), timestamp: z.string() });
  const stream = {
    description: 'A stream of events',
    content: { 'text/event-stream': { schema: z.string() } },
  };
  return {
    summary,
    ...(auth !== 'none' && { security: [{ key: [], agent: [] }] }),
    ...(params && { params }),
    ...(query && { querystring: query }),
    ...(body && { body }),
    ...(idempotent && { headers: IDEMPOTENCY_HEADER }),
    response: {
      [status ?? 200]: answer ? (bare ? answer : success) : stream,
      '4xx': errorEnvelopeSchema,
      '5xx': errorEnvelopeSchema,
    },
  };
}
