import { CleoError, type CleoErrorOptions } from './errors.ts';

/** The codes of the SignalDock error envelope, with their HTTP status and category (WIRE, error table). */
export const WIRE_ERRORS = {
  E_VALIDATION_SCHEMA: { status: 400, category: 'VALIDATION' },
  E_VALIDATION_MISSING_FIELD: { status: 400, category: 'VALIDATION' },
  E_VALIDATION_INVALID_FORMAT: { status: 400, category: 'VALIDATION' },
  E_VALIDATION_CONSTRAINT: { status: 400, category: 'VALIDATION' },
  E_VALIDATION_UNKNOWN_CAPABILITY: { status: 400, category: 'VALIDATION' },
  E_AUTH_UNAUTHORIZED: { status: 401, category: 'AUTH' },
  E_AUTH_INVALID_TOKEN: { status: 401, category: 'AUTH' },
  E_AUTH_EXPIRED_TOKEN: { status: 401, category: 'AUTH' },
  E_AUTH_FORBIDDEN: { status: 403, category: 'PERMISSION' },
  E_AUTH_INSUFFICIENT_PERMISSIONS: { status: 403, category: 'PERMISSION' },
  E_NOT_FOUND_AGENT: { status: 404, category: 'NOT_FOUND' },
  E_NOT_FOUND_CONVERSATION: { status: 404, category: 'NOT_FOUND' },
  E_NOT_FOUND_MESSAGE: { status: 404, category: 'NOT_FOUND' },
  E_NOT_FOUND_RESOURCE: { status: 404, category: 'NOT_FOUND' },
  E_CONFLICT_DUPLICATE: { status: 409, category: 'CONFLICT' },
  E_CONFLICT_ALREADY_CLAIMED: { status: 409, category: 'CONFLICT' },
  E_CONFLICT_ALREADY_EXISTS: { status: 409, category: 'CONFLICT' },
  E_RATE_LIMIT: { status: 429, category: 'RATE_LIMIT' },
  E_INTERNAL_ERROR: { status: 500, category: 'INTERNAL' },
  E_INTERNAL_DATABASE: { status: 500, category: 'INTERNAL' },
  E_INTERNAL_SERVICE: { status: 500, category: 'INTERNAL' },
} as const satisfies Record<string, { status: number; category: string }>;

export type WireErrorCode = keyof typeof WIRE_ERRORS;

/** An error the backend answers, the same whether it came over HTTP or from the embedded dock. */
export class WireError extends CleoError {
  declare readonly code: WireErrorCode;

  constructor(code: WireErrorCode, message: string, options: CleoErrorOptions = {}) {
    const retryable = WIRE_ERRORS[code].status === 429 || WIRE_ERRORS[code].status >= 500;
    super(code, message, { retryable, ...options });
  }
}
