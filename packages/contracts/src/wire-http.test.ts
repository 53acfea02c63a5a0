import { describe, expect, it } from 'vitest';
import { WIRE_ERRORS, WireError, type WireErrorCode } from './wire.ts';
import {
  asWireError,
  codeOfStatus,
  errorEnvelopeSchema,
  fromErrorEnvelope,
  healthSchema,
  toErrorEnvelope,
} from './wire-http.ts';

describe('an error on the wire', () => {
  it('arrives as it was sent, whatever its code', () => {
    for (const code of Object.keys(WIRE_ERRORS) as WireErrorCode[]) {
      const sent = new WireError(code, 'what happened', { hint: 'what to do', details: { field: 'x' } });
      const envelope = errorEnvelopeSchema.parse(JSON.parse(JSON.stringify(toErrorEnvelope(sent))));
      expect(envelope.error.category).toBe(WIRE_ERRORS[code].category);
      const { status } = WIRE_ERRORS[code];
      expect(fromErrorEnvelope(status, envelope)).toMatchObject({
        code,
        message: 'what happened',
        hint: 'what to do',
        retryable: sent.retryable,
        details: { field: 'x', status },
      });
    }
  });

  it('names its delay in both spellings, and either is read', () => {
    const { error } = toErrorEnvelope(new WireError('E_RATE_LIMIT', 'slow down', { retryAfterMs: 60_000 }));
    expect(error).toMatchObject({ retry_after_ms: 60_000, retryAfterMs: 60_000 });
    for (const spelling of ['retry_after_ms', 'retryAfterMs'])
      expect(
        fromErrorEnvelope(429, {
          success: false,
          error: { code: 'E_RATE_LIMIT', message: 'slow down', [spelling]: 7 },
        }).retryAfterMs,
      ).toBe(7);
  });

  it('with a code of a newer server becomes the code of its status', () => {
    const error = fromErrorEnvelope(409, {
      success: false,
      error: { code: 'E_CONFLICT_NEW', message: 'no' },
    });
    expect(error).toMatchObject({
      code: 'E_CONFLICT_DUPLICATE',
      details: { code: 'E_CONFLICT_NEW', status: 409 },
    });
  });

  it('is retryable only where trying again can help', () => {
    expect([401, 403, 404, 409, 413, 422, 429, 500, 502, 503].map((status) => codeOfStatus(status))).toEqual([
      'E_AUTH_UNAUTHORIZED',
      'E_AUTH_FORBIDDEN',
      'E_NOT_FOUND_RESOURCE',
      'E_CONFLICT_DUPLICATE',
      'E_VALIDATION_CONSTRAINT',
      'E_VALIDATION_CONSTRAINT',
      'E_RATE_LIMIT',
      'E_INTERNAL_ERROR',
      'E_INTERNAL_SERVICE',
      'E_INTERNAL_SERVICE',
    ]);
  });

  it('tells nothing of what went wrong inside', () => {
    const cause = new Error('SELECT secret FROM keys');
    const error = asWireError(cause);
    expect(error).toMatchObject({ code: 'E_INTERNAL_ERROR', retryable: true, cause });
    expect(JSON.stringify(toErrorEnvelope(error))).not.toContain('secret');
  });
});

describe('health', () => {
  it('of a server of the record announces nothing', () => {
    expect(healthSchema.parse({ status: 'ok' }).features).toBeUndefined();
  });

  it('announces what is there, and what it does not name is not there', () => {
    expect(
      healthSchema.parse({ status: 'ok', features: { exactCursor: true, novel: 1 } }).features,
    ).toMatchObject({
      exactCursor: true,
      idempotentSend: false,
      streamReplay: 0,
    });
  });
});
