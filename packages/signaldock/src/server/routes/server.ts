import { healthSchema, WireError } from '@cleocode/contracts';
import { z } from 'zod';
import { HttpError } from '../answer.ts';
import { type Route, route } from '../route.ts';
import { VERSION } from '../version.ts';

export const serverRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/',
    auth: 'none',
    summary: 'What answers here.',
    answer: z.object({ name: z.string(), version: z.string(), docsUrl: z.string() }),
    async handle({ publicUrl }) {
      return { name: 'SignalDock', version: VERSION, docsUrl: `${publicUrl}/openapi.json` };
    },
  }),
  route({
    method: 'GET',
    path: '/health',
    auth: 'none',
    summary: 'Whether the server works, and what it can do beyond the recorded protocol.',
    answer: healthSchema,
    bare: true,
    async handle({ dock, features }) {
      // Reads the file at the cost of one look into an index, whether an agent of this name exists or not.
      await dock.unreadSummary('health').catch((cause) => {
        throw unreadable(cause);
      });
      return { status: 'ok', version: VERSION, features, timestamp: new Date().toISOString() };
    },
  }),
  route({
    method: 'GET',
    path: '/openapi.json',
    auth: 'none',
    summary: 'This description.',
    answer: z.record(z.string(), z.unknown()),
    bare: true,
    async handle({ openApiDocument }) {
      return openApiDocument();
    },
  }),
];

function unreadable(cause: unknown): HttpError {
  const hint = 'Try again; the server has logged why.';
  return new HttpError(
    503,
    new WireError('E_INTERNAL_SERVICE', 'The database cannot be read.', { hint, retryAfterMs: 3_000, cause }),
  );
}
