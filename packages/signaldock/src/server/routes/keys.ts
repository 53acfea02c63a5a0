import { agentPathSchema, rotateKeySchema } from '@cleocode/contracts';
import { z } from 'zod';
import { connectionKit, connectionKitSchema } from '../connection-kit.ts';
import { type Route, route } from '../route.ts';

/** Nobody can read a key again: only its hash is stored. */
const MASKED_KEY = 'sk_live_…';

export const keyRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/agents/:id/generate-key',
    auth: 'owner',
    summary: 'Make a first key. An agent that has one, as whoever gets here does, rotates it instead.',
    params: agentPathSchema,
    answer: z.object({ agentId: z.string(), apiKey: z.string() }),
    async handle({ dock }, { agentId }) {
      return dock.generateKey(agentId);
    },
  }),
  route({
    method: 'POST',
    path: '/agents/:id/rotate-key',
    auth: 'owner',
    summary: 'Make a new key. The old one works on until the overlap ends.',
    params: agentPathSchema,
    body: rotateKeySchema,
    idempotent: true,
    answer: z.object({ agentId: z.string(), apiKey: z.string(), previousKeyExpiresAt: z.string() }),
    async handle({ dock }, { agentId, body, idempotencyKey }) {
      return dock.rotateKey(agentId, {
        ...(body?.overlapSeconds !== undefined && { overlapSeconds: body.overlapSeconds }),
        ...(body?.keepUntilUsed !== undefined && { keepUntilUsed: body.keepUntilUsed }),
        ...(idempotencyKey !== undefined && { idempotencyKey }),
      });
    },
  }),
  route({
    method: 'GET',
    path: '/agents/:id/connection-kit',
    auth: 'owner',
    summary: 'What the agent needs to connect, without its key.',
    params: agentPathSchema,
    answer: z.object({ connectionKit: connectionKitSchema }),
    async handle({ publicUrl }, { agentId }) {
      return { connectionKit: connectionKit(publicUrl, agentId, MASKED_KEY) };
    },
  }),
];
