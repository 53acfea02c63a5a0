import { z } from 'zod';
import { CleoError } from './errors.ts';
import { WIRE_ERRORS, WireError, type WireErrorCode } from './wire.ts';

/**
 * What a server announces in `GET /health` beyond the protocol that all have. Absent means: not there. A client uses what is
 * announced and stays correct without it.
 */
export const serverFeaturesSchema = z.looseObject({
  /** `rotate-key` takes `Idempotency-Key` and `overlapSeconds`; old and new key both work meanwhile. */
  rotationOverlap: z.boolean().default(false),
  /** `rotate-key` takes `keepUntilUsed`: the old key does not end before the new one was used. */
  rotationUntilUsed: z.boolean().default(false),
  /** Both send routes take `Idempotency-Key`: repeated within 24 hours, they answer the first message. */
  idempotentSend: z.boolean().default(false),
  /** Messages carry `seq`; `after_seq` is exclusive, exact and ascending. */
  exactCursor: z.boolean().default(false),
  /** `GET /conversations/messages?ids=…&after_seq=…` answers several conversations at once. */
  conversationScan: z.boolean().default(false),
  /** Heartbeats and status take `instanceId`; presence is computed when it is asked. */
  fencedPresence: z.boolean().default(false),
  /** How many missed messages a stream replays after `Last-Event-ID` before it says `resync`. */
  streamReplay: z.int().nonnegative().default(0),
  /** Milliseconds between the heartbeats of a stream. */
  streamHeartbeatMs: z.int().positive().optional(),
});

/** What {@link serverFeaturesSchema} reads: every feature, those that were not announced as not there. */
export type ServerFeatures = z.infer<typeof serverFeaturesSchema>;

/** `GET /health`, which needs no key. */
export const healthSchema = z.looseObject({
  status: z.string(),
  version: z.string().optional(),
  features: serverFeaturesSchema.optional(),
});

/** What {@link healthSchema} reads. */
export type Health = z.infer<typeof healthSchema>;

/** What a server has that announces nothing. */
export const NO_FEATURES: ServerFeatures = serverFeaturesSchema.parse({});

/** The body of an answer that is not a success. The delay comes in either spelling. */
export const errorEnvelopeSchema = z.looseObject({
  success: z.literal(false),
  error: z.looseObject({
    code: z.string(),
    message: z.string(),
    category: z.string().optional(),
    retryable: z.boolean().optional(),
    retry_after_ms: z.number().nonnegative().optional(),
    retryAfterMs: z.number().nonnegative().optional(),
    details: z.record(z.string(), z.unknown()).optional(),
    /** What to do next, as one sentence; ours adds it. */
    hint: z.string().optional(),
  }),
  timestamp: z.string().optional(),
});

/** What {@link errorEnvelopeSchema} reads. */
export type ErrorEnvelope = z.infer<typeof errorEnvelopeSchema>;

/** An error as a server answers it. */
export function toErrorEnvelope(error: WireError, now: Date = new Date()): ErrorEnvelope {
  const { code, message, retryable, retryAfterMs, details, hint } = error;
  return {
    success: false,
    error: {
      code,
      message,
      category: WIRE_ERRORS[code].category,
      retryable,
      ...(retryAfterMs !== undefined && { retry_after_ms: retryAfterMs, retryAfterMs }),
      ...(details && { details }),
      ...(hint && { hint }),
    },
    timestamp: now.toISOString(),
  };
}

/**
 * The error a server answered with `status`, from its envelope. A code of a newer server becomes the code of its status, and
 * is kept in `details.code`.
 */
export function fromErrorEnvelope(status: number, { error }: ErrorEnvelope): WireError {
  const { code, message, hint, retryable } = error;
  const retryAfterMs = error.retryAfterMs ?? error.retry_after_ms;
  const known = code in WIRE_ERRORS;
  const details = { ...error.details, status, ...(!known && { code }) };
  return new WireError(known ? (code as WireErrorCode) : codeOfStatus(status), message, {
    details,
    ...(hint !== undefined && { hint }),
    ...(retryable !== undefined && { retryable }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** The code for an answer that has a status and nothing more to say. */
export function codeOfStatus(status: number): WireErrorCode {
  if (status === 401) return 'E_AUTH_UNAUTHORIZED';
  if (status === 403) return 'E_AUTH_FORBIDDEN';
  if (status === 404) return 'E_NOT_FOUND_RESOURCE';
  if (status === 409) return 'E_CONFLICT_DUPLICATE';
  if (status === 429) return 'E_RATE_LIMIT';
  if (status === 502 || status === 503 || status === 504) return 'E_INTERNAL_SERVICE';
  return status >= 500 ? 'E_INTERNAL_ERROR' : 'E_VALIDATION_CONSTRAINT';
}

/** Whatever was thrown, as something to answer: what is no `WireError` tells the client nothing but that it is not to blame. */
export function asWireError(error: unknown): WireError {
  if (CleoError.is(error) && error.code in WIRE_ERRORS) return error as WireError;
  const storage = CleoError.is(error) && error.code.startsWith('E_STORAGE_');
  return new WireError(storage ? 'E_INTERNAL_DATABASE' : 'E_INTERNAL_ERROR', 'The server failed to answer.', {
    hint: 'Try again; the server has logged why.',
    retryAfterMs: storage ? 3_000 : 5_000,
    cause: error,
  });
}
