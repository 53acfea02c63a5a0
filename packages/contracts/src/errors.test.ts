import { describe, expect, it, vi } from 'vitest';
import { CleoError, errorText, isAuthError, PermanentError } from './errors.ts';
import { WIRE_ERRORS, WireError, type WireErrorCode } from './wire.ts';

describe('CleoError', () => {
  it('carries code, message, hint, details, retry advice and cause', () => {
    const cause = new Error('socket closed');
    const error = new CleoError('E_X', 'it broke', {
      hint: 'Mend it.',
      retryable: true,
      retryAfterMs: 5,
      details: { file: 'a' },
      cause,
    });
    expect(error).toMatchObject({
      name: 'CleoError',
      code: 'E_X',
      message: 'it broke',
      hint: 'Mend it.',
      retryable: true,
      retryAfterMs: 5,
      details: { file: 'a' },
      cause,
    });
    expect(error).toBeInstanceOf(Error);
    expect(error.stack).toContain('errors.test.ts');
  });

  it('masks keys in its message and its hint', () => {
    const error = new CleoError('E_X', `refused sk_live_${'0123456789abcdef'.repeat(4)}`, {
      hint: 'Call https://me:hunter2@example.com.',
    });
    expect(error.message).toBe('refused sk_live_012…');
    expect(error.hint).toBe('Call https://***@example.com.');
    expect(error.stack).not.toContain('0123456789');
  });

  it('is not retryable, and has no cause, unless told so', () => {
    const error = new CleoError('E_X', 'it broke');
    expect(error.retryable).toBe(false);
    expect('cause' in error).toBe(false);
  });

  it('keeps a cause that is undefined', () => {
    expect('cause' in new CleoError('E_X', 'it broke', { cause: undefined })).toBe(true);
  });

  it('takes the name of its class', () => {
    class OwnError extends CleoError {}
    expect(new OwnError('E_X', 'it broke').name).toBe('OwnError');
  });

  it('is recognised by brand, so an error of another copy of the package counts', async () => {
    vi.resetModules();
    const copy = await import('./errors.ts');
    expect(copy.CleoError).not.toBe(CleoError);
    const foreign = new copy.CleoError('E_X', 'it broke');
    expect(foreign).not.toBeInstanceOf(CleoError);
    expect(CleoError.is(foreign)).toBe(true);
    expect(CleoError.is(foreign, 'E_X')).toBe(true);
    expect(CleoError.is(foreign, 'E_Y')).toBe(false);
  });

  it.each([null, undefined, 'E_X', 7, {}, { code: 'E_X' }, new Error('E_X')])('is not %j', (value) => {
    expect(CleoError.is(value)).toBe(false);
    expect(CleoError.is(value, 'E_X')).toBe(false);
  });
});

describe('PermanentError', () => {
  it('has the code E_PERMANENT and is a CleoError', () => {
    const error = new PermanentError('cannot be parsed', { hint: 'Send JSON.' });
    expect(CleoError.is(error, 'E_PERMANENT')).toBe(true);
    expect(error).toMatchObject({ message: 'cannot be parsed', hint: 'Send JSON.', retryable: false });
  });
});

describe('WireError', () => {
  it.each(Object.entries(WIRE_ERRORS) as [WireErrorCode, { status: number }][])(
    '%s is retryable only when the same request may succeed later',
    (code, { status }) => {
      expect(new WireError(code, 'x').retryable).toBe(status === 429 || status >= 500);
    },
  );

  it('lets the sender decide otherwise', () => {
    expect(new WireError('E_INTERNAL_ERROR', 'x', { retryable: false }).retryable).toBe(false);
  });
});

describe('errorText', () => {
  it('masks keys, whatever they stand in', () => {
    const key = `sk_live_${'0123456789abcdef'.repeat(4)}`;
    for (const thrown of [new Error(`no: ${key}`), `no: ${key}`, { message: `no: ${key}` }, { apiKey: key }])
      expect(errorText(thrown)).not.toContain('0123456789');
  });

  const circular: Record<string, unknown> = Object.create(null);
  circular.self = circular;

  it.each<[unknown, string]>([
    [new Error('it broke'), 'it broke'],
    [new TypeError(''), 'TypeError'],
    ['a string', 'a string'],
    [{ a: 1 }, '{"a":1}'],
    [{ message: 'from another realm' }, 'from another realm'],
    [undefined, 'undefined'],
    [null, 'null'],
    [10n, '10n'],
    [Symbol('s'), 'Symbol(s)'],
    [circular, '<ref *1> [Object: null prototype] { self: [Circular *1] }'],
  ])('says what %o is', (thrown, text) => {
    expect(errorText(thrown)).toBe(text);
  });
});

it('a refused key is known by the code, whichever copy of the error class made it', () => {
  expect(isAuthError(new CleoError('E_AUTH_EXPIRED_TOKEN', 'expired'))).toBe(true);
  expect(isAuthError(new CleoError('E_RATE_LIMIT', 'slow down'))).toBe(false);
  expect(isAuthError(new Error('E_AUTH_EXPIRED_TOKEN'))).toBe(false);
});
